import type Hls from 'hls.js';
import type { ErrorData } from 'hls.js';
import { elementOf } from '../page-element.ts';
import type { Source } from './page-settings.ts';

/** The package, served beside this page and loaded only when a playlist is to be played. */
const HLS_SCRIPT = '/hls.js';

const PLAYLIST_TYPE = 'application/vnd.apple.mpegurl';

/** A stream that fails again so soon after it was begun anew, ms, cannot be decoded. */
const RECOVERY_MS = 60_000;

const UNDECODABLE = 'this browser cannot decode it';

/**
 * Plays `source` in place of the generated picture: silent at first, for browsers start nothing else by themselves.
 * `failed` is called with a sentence when it cannot be played.
 */
export async function playStream(source: Source, failed: (sentence: string) => void): Promise<void> {
  const video = elementOf('video', HTMLVideoElement);
  const fail = (why: string): void => failed(`This stream cannot be played here: ${why}.`);
  video.hidden = false;
  video.muted = true;
  if (source.kind === 'file' || !(await attachPlaylist(video, source.url, fail))) {
    // hls.js tells of errors itself, and mends some of those that are told here.
    video.addEventListener('error', () => {
      const isKnown = video.error?.code === MediaError.MEDIA_ERR_DECODE;
      if (isKnown) fail(UNDECODABLE);
      else findReason(source.url).then(fail);
    });
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

/** A video element says only that something failed, so the address is asked again. */
async function findReason(url: string): Promise<string> {
  const { host, protocol } = new URL(url);
  if (location.protocol === 'https:' && protocol === 'http:') return 'a page on https plays https only';
  const ask = async (mode: RequestMode): Promise<Response | null> => {
    const abort = new AbortController();
    try {
      const answer = await fetch(url, { mode, cache: 'no-store', signal: abort.signal });
      // Its beginning was enough.
      abort.abort();
      return answer;
    } catch {
      return null;
    }
  };
  const seen = await ask('cors');
  if (seen !== null && !seen.ok) return `${host} answers ${seen.status}`;
  const type = seen?.headers.get('content-type') ?? null;
  if (type !== null) return `${host} sends ${type}, which this browser does not play`;
  if (seen === null && (await ask('no-cors')) === null) return `${host} does not answer`;
  return `${host} answers, but with nothing that this browser plays`;
}

/** Lets hls.js play the playlist; false where the browser has to do it itself. */
async function attachPlaylist(video: HTMLVideoElement, url: string, fail: (why: string) => void): Promise<boolean> {
  const { default: Player } = (await import(HLS_SCRIPT)) as { default: typeof Hls };
  if (!Player.isSupported()) {
    if (video.canPlayType(PLAYLIST_TYPE) === '') fail('this browser plays no HLS playlists');
    return false;
  }
  // A worker would be made from a blob, which the page's policy does not allow.
  const player = new Player({ enableWorker: false });
  let recoveredAt = Number.NEGATIVE_INFINITY;
  player.on(Player.Events.ERROR, (_event, error) => {
    if (!error.fatal) return;
    const now = performance.now();
    // Where no codec is known there is nothing to begin with again, and no other error would follow.
    const known = error.details !== Player.ErrorDetails.MANIFEST_INCOMPATIBLE_CODECS_ERROR;
    if (error.type === Player.ErrorTypes.MEDIA_ERROR && known && now - recoveredAt > RECOVERY_MS) {
      recoveredAt = now;
      player.recoverMediaError();
    } else {
      fail(explain(Player, error, url));
    }
  });
  player.loadSource(url);
  player.attachMedia(video);
  return true;
}

function explain({ ErrorTypes, ErrorDetails }: typeof Hls, error: ErrorData, playlist: string): string {
  const { type, details, response } = error;
  if (details === ErrorDetails.MANIFEST_PARSING_ERROR) return 'what came is no HLS playlist';
  if (details === ErrorDetails.MANIFEST_INCOMPATIBLE_CODECS_ERROR) return 'this browser has none of its codecs';
  if (type !== ErrorTypes.NETWORK_ERROR) return UNDECODABLE;
  const { host } = new URL(error.frag?.url ?? error.url ?? playlist);
  if (response?.code) return `${host} answers ${response.code}`;
  return `${host} does not answer, or does not let this page read its answer (CORS)`;
}
