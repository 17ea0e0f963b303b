import { encodeMessage } from '../frames/messages.ts';
import { RECALLS_REMEMBERED, RECALLS_REMEMBERED_MS } from '../store/store.ts';

/** Most ids remembered a room, the newest: one message of at most 50 KB. */
const MOST_OF_ROOM = 2_000;

interface Recall {
  readonly id: string;
  /** ms on a clock that only rises. */
  readonly at: number;
}

interface RoomRecalls {
  /** Oldest first. */
  readonly ids: Recall[];
  /** What who comes back is told, up to `until`; undefined where it is to be made anew. */
  message: string | null | undefined;
  until: number;
}

/**
 * The comments that were recalled in the last five minutes, by room, whether somebody watches the room or not: viewers
 * that were away for less hear of them.
 */
export class RecentRecalls {
  /** The room that recalled nothing for longest is the first. */
  readonly #rooms = new Map<string, RoomRecalls>();
  #count = 0;

  /** Remembers an id that was recalled at `now`. */
  add(room: string, id: string, now: number): void {
    const recalls = this.#rooms.get(room) ?? { ids: [], message: undefined, until: 0 };
    this.#rooms.delete(room);
    this.#rooms.set(room, recalls);
    recalls.ids.push({ id, at: now });
    recalls.message = undefined;
    this.#count += 1;
    if (recalls.ids.length > 2 * MOST_OF_ROOM) this.#count -= recalls.ids.splice(0, MOST_OF_ROOM).length;
    // Beyond, the room that recalled nothing for longest is forgotten.
    for (const [oldest, { ids }] of this.#rooms) {
      if (now - (ids.at(-1)?.at ?? 0) < RECALLS_REMEMBERED_MS && this.#count <= RECALLS_REMEMBERED) break;
      this.#count -= ids.length;
      this.#rooms.delete(oldest);
    }
  }

  /**
   * The message that recalls what is remembered of a room at `now`, oldest first; null for nothing. It is kept as long
   * as it holds: in a crowd that comes back each group asks for it, and of 2,000 ids it takes 0.1 ms to make.
   */
  messageOf(room: string, now: number): string | null {
    const recalls = this.#rooms.get(room);
    if (recalls === undefined) return null;
    if (recalls.message === undefined || now >= recalls.until) {
      const told = recalls.ids.slice(-MOST_OF_ROOM).filter(({ at }) => now - at < RECALLS_REMEMBERED_MS);
      recalls.message = told.length === 0 ? null : encodeMessage({ type: 'recall', ids: told.map(({ id }) => id) });
      recalls.until = (told[0]?.at ?? Number.POSITIVE_INFINITY) + RECALLS_REMEMBERED_MS;
    }
    return recalls.message;
  }
}
