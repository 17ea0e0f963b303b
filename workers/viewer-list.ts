import type { Viewer } from './viewer.ts';

/**
 * The viewers of a shard, in no order. Each knows its place in the array, so that one that leaves takes no search: a
 * word or two a viewer, where a Set takes seven and leaves its outgrown tables to the garbage collector.
 */
export class ViewerList {
  readonly #viewers: Viewer[] = [];

  /** Takes in a viewer that is in no list. */
  add(viewer: Viewer): void {
    viewer.place = this.#viewers.push(viewer) - 1;
  }

  /** Takes a viewer out; false where it was not in here. The last one gets its place. */
  delete(viewer: Viewer): boolean {
    const { place } = viewer;
    if (this.#viewers[place] !== viewer) return false;
    const last = this.#viewers.pop();
    if (last !== undefined && last !== viewer) {
      this.#viewers[place] = last;
      last.place = place;
    }
    viewer.place = -1;
    return true;
  }

  /** All of them as they are now: uWebSockets.js may tell of a close while it is being asked for. */
  all(): readonly Viewer[] {
    return [...this.#viewers];
  }
}
