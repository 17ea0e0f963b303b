/** The adapter for artplayer-plugin-danmuku (github.com/zhw2590582/ArtPlayer). Text is text there. */
import { MODES } from '../../comment.ts';
import type { PlayableRoom } from '../play-room.ts';
import { type AdaptedComment, type AdapterOptions, cssColor, playOn } from './adapter.ts';

/** What is used of an Artplayer, whose own type says nothing of its plugins. */
export interface ArtplayerLike {
  readonly plugins: object;
}

/** What becomes of a comment that was given to the plugin, which copies the comment and keeps this in it. */
interface Fate {
  recalled: boolean;
  item?: VisibleDanmu;
}

interface Danmu {
  text: string;
  readonly mode: number;
  readonly color: string;
  readonly style: { readonly fontSize: string };
  readonly fate: Fate;
}

/** A comment on the screen, by anybody: its element, null again when it has left. */
type VisibleDanmu = Omit<Danmu, 'fate'> & {
  readonly fate?: Fate;
  readonly $ref: { textContent: string | null } | null;
};

type VisibleListener = (danmu: VisibleDanmu) => void;

interface Player {
  readonly plugins: { readonly artplayerPluginDanmuku?: { emit(danmu: Danmu): unknown } };
  on(event: typeof VISIBLE, listener: VisibleListener): unknown;
  off(event: typeof VISIBLE, listener: VisibleListener): unknown;
}

/** Told of each comment that has come onto the screen. */
const VISIBLE = 'artplayerPluginDanmuku:visible';

/**
 * Shows the room's comments on `player`, while its video plays. Gives back what ends that.
 * @throws TypeError when the player has no such plugin
 */
export function attachArtplayer(
  player: ArtplayerLike,
  room: PlayableRoom<AdaptedComment>,
  options: AdapterOptions = {},
): () => void {
  const art = player as ArtplayerLike & Player;
  const { artplayerPluginDanmuku: plugin } = art.plugins;
  if (plugin === undefined) throw new TypeError('this Artplayer has no artplayer-plugin-danmuku');
  const seen: VisibleListener = (danmu) => {
    const { fate } = danmu;
    if (fate === undefined) return;
    fate.item = danmu;
    if (fate.recalled) blank(danmu);
  };
  const end = playOn(room, options, ({ text, mode, color, size }) => {
    const fate: Fate = { recalled: false };
    plugin.emit({ text, mode: MODES.indexOf(mode), color: cssColor(color), style: { fontSize: `${size}px` }, fate });
    return () => {
      fate.recalled = true;
      if (fate.item !== undefined) blank(fate.item);
    };
  });
  art.on(VISIBLE, seen);
  return () => {
    art.off(VISIBLE, seen);
    end();
  };
}

/** Its text too, for the plugin shows it again when the video goes back. */
function blank(danmu: VisibleDanmu): void {
  danmu.text = '';
  if (danmu.$ref !== null) danmu.$ref.textContent = '';
}
