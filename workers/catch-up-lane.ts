import type { Viewer } from './viewer.ts';

/** A budget of bytes, and the viewers that wait for some of it. */
export class Lane {
  readonly #most: number;
  /** By room: many viewers of one room must not keep those of another waiting. Rooms take turns. */
  readonly #waiting = new Map<string, Set<Viewer>>();
  #length = 0;
  used = 0;

  constructor(most: number) {
    this.#most = most;
  }

  /** How many wait. */
  get length(): number {
    return this.#length;
  }

  /** Where nothing is under way, everything fits: one batch may be larger than the budget. */
  fits(bytes: number): boolean {
    return this.used === 0 || this.used + bytes <= this.#most;
  }

  wait(viewer: Viewer): void {
    const ofRoom = this.#waiting.get(viewer.room);
    if (ofRoom === undefined) this.#waiting.set(viewer.room, new Set([viewer]));
    else ofRoom.add(viewer);
    this.#length += 1;
  }

  /** The viewer whose turn it is. */
  next(): Viewer | undefined {
    for (const ofRoom of this.#waiting.values()) {
      for (const viewer of ofRoom) return viewer;
    }
    return undefined;
  }

  /** Takes a viewer out of the line; the next turn is another room's. */
  leave(viewer: Viewer): void {
    const ofRoom = this.#waiting.get(viewer.room);
    if (!ofRoom?.delete(viewer)) return;
    this.#length -= 1;
    this.#waiting.delete(viewer.room);
    if (ofRoom.size > 0) this.#waiting.set(viewer.room, ofRoom);
  }

  /** Those who wait for the very same bytes as `viewer`, itself included. */
  alike({ room, codec, point }: Viewer): Viewer[] {
    const wanted = JSON.stringify(point);
    const ofRoom = this.#waiting.get(room) ?? [];
    return [...ofRoom].filter((other) => other.codec === codec && JSON.stringify(other.point) === wanted);
  }
}
