import type { Comment } from '../../comment.ts';
import { type PlayableRoom, type PlayRoomOptions, playRoom } from '../play-room.ts';
import type { Playable } from '../playout.ts';

/** What the adapters read of a comment. */
export type AdaptedComment = Playable & Pick<Comment, 'text' | 'mode' | 'color' | 'size'>;

/** How the room is played; the adapter does the showing. */
export type AdapterOptions = Omit<PlayRoomOptions<AdaptedComment>, 'show'>;

/** Comments that can be taken off the screen again: the newest, more than any screen holds. */
const REMEMBERED = 1_000;

/**
 * Plays `room` with `show`, which gives back what takes the comment off the screen, for when it is recalled; undefined
 * where the player has no way to. Gives back what ends that.
 */
export function playOn(
  room: PlayableRoom<AdaptedComment>,
  options: AdapterOptions,
  show: (comment: AdaptedComment) => (() => void) | undefined,
): () => void {
  const shown = new Map<string, () => void>();
  const { detach } = playRoom(room, {
    ...options,
    show: (comment) => {
      const takeOff = show(comment);
      if (takeOff === undefined) return;
      shown.set(comment.id, takeOff);
      const [oldest] = shown.keys();
      if (oldest !== undefined && shown.size > REMEMBERED) shown.delete(oldest);
    },
  });
  const ends = [
    // The ids of a room that has begun anew are those of other comments.
    room.on('welcome', ({ reset }) => reset === true && shown.clear()),
    room.on('recall', (ids) => {
      for (const id of ids) shown.get(id)?.();
    }),
    detach,
  ];
  return () => {
    for (const end of ends) end();
  };
}

/** `0xRRGGBB` as CSS has it. */
export function cssColor(color: number): string {
  return `#${color.toString(16).padStart(6, '0')}`;
}
