/** How long a recall is remembered, in ms: viewers that were away for less hear of it. */
const REMEMBERED_MS = 300_000;

/** Most ids remembered a room, the newest: one message of at most 50 KB. */
const MOST_OF_ROOM = 2_000;

/** Most ids remembered in all rooms together; beyond, the room that recalled nothing for longest is forgotten. */
const MOST = 200_000;

interface Recall {
  readonly id: string;
  /** ms on a clock that only rises. */
  readonly at: number;
}

/** The comments that were recalled in the last minutes, by room, whether somebody watches the room or not. */
export class RecentRecalls {
  /** Oldest first in each room; the room that recalled nothing for longest is the first. */
  readonly #rooms = new Map<string, Recall[]>();
  #count = 0;

  /** Remembers an id that was recalled at `now`. */
  add(room: string, id: string, now: number): void {
    const recalls = this.#rooms.get(room) ?? [];
    this.#rooms.delete(room);
    this.#rooms.set(room, recalls);
    recalls.push({ id, at: now });
    this.#count += 1;
    if (recalls.length > 2 * MOST_OF_ROOM) this.#count -= recalls.splice(0, MOST_OF_ROOM).length;
    for (const [oldest, kept] of this.#rooms) {
      if (now - (kept.at(-1)?.at ?? 0) < REMEMBERED_MS && this.#count <= MOST) break;
      this.#count -= kept.length;
      this.#rooms.delete(oldest);
    }
  }

  /** The ids of a room that are remembered at `now`, oldest first. */
  idsOf(room: string, now: number): readonly string[] {
    const recalls = this.#rooms.get(room) ?? [];
    return recalls
      .slice(-MOST_OF_ROOM)
      .filter(({ at }) => now - at < REMEMBERED_MS)
      .map(({ id }) => id);
  }
}
