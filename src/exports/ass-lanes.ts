/** Places comments on the picture: bands of lanes, in which a comment takes one or more neighbouring lanes. */

/** How far a comment's right edge stays before the next one's left edge, in px. */
const GAP = 20;

/** Where and when a comment is shown. Times are in the caller's unit. */
interface Placing {
  /** The first lane that it takes, from the edge of the band. */
  readonly lane: number;
  /** When it begins, which is later than asked for where the one before began later. */
  readonly start: number;
}

/** What a lane may be used for again. */
interface Lane {
  /** From when on everything on it has come in wholly. */
  entered: number;
  /** When the last one on it is gone. */
  end: number;
  /** How far one of them may still stand in the picture when it goes, in px. */
  rest: number;
}

export interface LanesOptions {
  readonly lanes: number;
  /** How long a comment is shown. */
  readonly duration: number;
  /** Width of the picture in px over which comments move from right to left; null where they stand still. */
  readonly scroll: number | null;
}

/**
 * A band of lanes. A comment goes to the first place where it touches nothing, or, where there is none, to the place
 * that is free first.
 *
 * A comment of width w moves by (picture + w) in the duration, so wider ones are faster. Two on one lane do not touch
 * when the first has come in wholly before the second begins, and the second reaches the left edge after the first is
 * gone. Both are bounds from below on the second's start, so the largest of each over all on a lane is all it keeps.
 * A width is a guess. The comment may be as wide as `most`: then it needs longer to come in, and its end is not at the
 * left edge when it goes.
 */
export class Lanes {
  readonly #options: LanesOptions;
  #lanes: Lane[];
  #latest = Number.NEGATIVE_INFINITY;

  constructor(options: LanesOptions) {
    this.#options = options;
    this.#lanes = emptyLanes(options.lanes);
  }

  /**
   * @param time when the comment should begin
   * @param width its width in px, which says how fast it moves
   * @param most how wide it may be, in px; at least `width`
   * @param height how many neighbouring lanes it takes, at least 1; more than there are is all of them
   */
  place(time: number, { width, most }: { width: number; most: number }, height: number): Placing {
    const { lanes, duration } = this.#options;
    // The clock was set back: a little is taken for the same time, more begins the picture anew.
    if (time < this.#latest - duration) {
      this.#lanes = emptyLanes(lanes);
      this.#latest = time;
    }
    const start = Math.max(time, this.#latest);
    this.#latest = start;
    const span = Math.min(height, lanes);
    let lane = 0;
    let earliest = Number.POSITIVE_INFINITY;
    for (let i = 0; i + span <= lanes; i += 1) {
      const free = this.#freeAt(i, span, width);
      if (free >= earliest) continue;
      lane = i;
      earliest = free;
      if (free <= start) break;
    }
    for (let i = lane; i < lane + span; i += 1) this.#take(this.#lanes[i] as Lane, start, width, most);
    return { lane, start };
  }

  /** From when on a comment of this width touches nothing on these lanes. */
  #freeAt(lane: number, span: number, width: number): number {
    const { duration, scroll } = this.#options;
    let free = Number.NEGATIVE_INFINITY;
    for (let i = lane; i < lane + span; i += 1) {
      const { entered, end, rest } = this.#lanes[i] as Lane;
      // How long it takes to where the last one may still be: by then that must be gone.
      const crossing = scroll === null ? 0 : (Math.max(0, scroll - GAP - rest) * duration) / (scroll + width);
      free = Math.max(free, entered, end - crossing);
    }
    return free;
  }

  #take(lane: Lane, start: number, width: number, most: number): void {
    const { duration, scroll } = this.#options;
    const end = start + duration;
    const entered = scroll === null ? start : start + ((most + GAP) * duration) / (scroll + width);
    lane.entered = Math.max(lane.entered, Math.min(entered, end));
    // What was there before is gone when the new one begins, or goes before that comes near.
    lane.rest = Math.max(start < lane.end ? lane.rest : 0, most - width);
    lane.end = Math.max(lane.end, end);
  }
}

function emptyLanes(count: number): Lane[] {
  const never = Number.NEGATIVE_INFINITY;
  return Array.from({ length: count }, () => ({ entered: never, end: never, rest: 0 }));
}
