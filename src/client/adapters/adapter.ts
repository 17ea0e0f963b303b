import type { Comment } from '../../comment.ts';
import type { PlayRoomOptions } from '../play-room.ts';
import type { Playable } from '../playout.ts';

/** What the adapters read of a comment. */
export type AdaptedComment = Playable & Pick<Comment, 'text' | 'mode' | 'color' | 'size'>;

/** How the room is played; the adapter does the showing. */
export type AdapterOptions = Omit<PlayRoomOptions<AdaptedComment>, 'show'>;

/** `0xRRGGBB` as CSS has it. */
export function cssColor(color: number): string {
  return `#${color.toString(16).padStart(6, '0')}`;
}
