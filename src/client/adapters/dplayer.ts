/** The adapter for DPlayer (github.com/DIYgod/DPlayer), live: what its player needs is in docs/client.md. */
import { MODES } from '../../comment.ts';
import { type PlayableRoom, playRoom } from '../play-room.ts';
import type { AdaptedComment, AdapterOptions } from './adapter.ts';

/** What is used of a DPlayer. */
export interface DPlayerLike {
  /** Not there when the player was made without `danmaku`. */
  readonly danmaku?: { draw(danmaku: { text: string; color: number; type: number }): unknown };
}

/**
 * Shows the room's comments on `player`, whose size they all have. Gives back what ends that.
 * @throws TypeError when the player was made without `danmaku`
 */
export function attachDPlayer(
  player: DPlayerLike,
  room: PlayableRoom<AdaptedComment>,
  options: AdapterOptions = {},
): () => void {
  const { danmaku } = player;
  if (danmaku === undefined) throw new TypeError('this DPlayer was made without the option danmaku');
  const show = ({ text, mode, color }: AdaptedComment): void => {
    // `draw` writes innerHTML. It numbers modes as we do, whatever its manual says, and takes colour 0 for none, so
    // that black would be white: it gets the darkest blue.
    const type = MODES.indexOf(mode);
    danmaku.draw({ text: text.replaceAll('&', '&amp;').replaceAll('<', '&lt;'), color: color || 1, type });
  };
  return playRoom(room, { ...options, show }).detach;
}
