/** How long a room remembers what it recalled, in ms: viewers that were away for less hear of it. */
const REMEMBERED_MS = 300_000;

/** Most ids remembered, the newest. */
const MOST = 1_000;

/** The comments that a room recalled in its last minutes. */
export class RecentRecalls {
  #recent: { readonly id: string; readonly at: number }[] = [];

  /** Remembers ids that went out at `now`, in ms on a clock that only rises. */
  add(ids: readonly string[], now: number): void {
    if (ids.length === 0) return;
    this.#recent = [...this.#live(now), ...ids.map((id) => ({ id, at: now }))].slice(-MOST);
  }

  /** The ids remembered, oldest first. */
  take(now: number): readonly string[] {
    return this.#live(now).map(({ id }) => id);
  }

  #live(now: number): readonly { readonly id: string; readonly at: number }[] {
    return this.#recent.filter(({ at }) => now - at < REMEMBERED_MS);
  }
}
