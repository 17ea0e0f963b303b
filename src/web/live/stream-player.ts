import type Hls from 'hls.js';
import { elementOf } from '../page-element.ts';
import type { Source } from './page-address.ts';

/** The package, served beside this page and loaded only when a playlist is to be played. */
const HLS_SCRIPT = '/hls.js';

const PLAYLIST_TYPE = 'application/vnd.apple.mpegurl';

/** A stream that fails again so soon after it was begun anew, ms, cannot be decoded. */
const RECOVERY_MS = 60_000;

/**
 * Plays `source` in place of the generated picture: silent at first, for browsers start nothing else by themselves.
 * `failed` is called with a sentence when it cannot be played.
 */
export async function playStream(source: Source, failed: (why: string) => void): Promise<void> {
  const video = elementOf('video', HTMLVideoElement);
  const fail = (): void => failed('This stream cannot be played here.');
  video.hidden = false;
  video.muted = true;
  if (source.kind === 'file' || !(await attachPlaylist(video, source.url, fail))) {
    // hls.js tells of errors itself, and mends some of those that are told here.
    video.addEventListener('error', fail);
    video.src = source.url;
  }
  try {
    await video.play();
  } catch (error) {
    // A browser that wants a click first shows its own button; what cannot be played at all was an `error` before.
    if (!(error instanceof DOMException && ['NotAllowedError', 'AbortError', 'NotSupportedError'].includes(error.name)))
      throw error;
  }
}

/** Lets hls.js play the playlist; false where the browser has to do it itself. */
async function attachPlaylist(video: HTMLVideoElement, url: string, fail: () => void): Promise<boolean> {
  const { default: Player } = (await import(HLS_SCRIPT)) as { default: typeof Hls };
  if (!Player.isSupported()) {
    if (video.canPlayType(PLAYLIST_TYPE) === '') fail();
    return false;
  }
  // A worker would be made from a blob, which the page's policy does not allow.
  const player = new Player({ enableWorker: false });
  let recoveredAt = Number.NEGATIVE_INFINITY;
  player.on(Player.Events.ERROR, (_event, { fatal, type, details }) => {
    if (!fatal) return;
    const now = performance.now();
    // Where no codec is known there is nothing to begin with again, and no other error would follow.
    const known = details !== Player.ErrorDetails.MANIFEST_INCOMPATIBLE_CODECS_ERROR;
    if (type === Player.ErrorTypes.MEDIA_ERROR && known && now - recoveredAt > RECOVERY_MS) {
      recoveredAt = now;
      player.recoverMediaError();
    } else {
      fail();
    }
  });
  player.loadSource(url);
  player.attachMedia(video);
  return true;
}
