/**
 * Where comments stand in the picture, so that none is printed over another.
 *
 *   ┌──────────────────────────┐
 *   │ top comments             │ ┐ from the top down, and on into the middle where nothing flies
 *   ├──────────────────────────┤ ┘
 *   │ flying comments        ← │   from right to left
 *   ├──────────────────────────┤ ┐
 *   │ bottom comments          │ ┘ from the bottom up, likewise
 *   └──────────────────────────┘
 */
import type { Mode } from '../../comment.ts';

/** The share of the picture's height that top comments have for themselves, and bottom comments likewise. */
const OWN_SHARE = 0.15;

/** Between two flying comments, px at least. */
const GAP = 16;

/** A comment that is to be shown: its size in px, and how long it will be there, ms. */
export interface Footprint {
  readonly mode: Mode;
  readonly width: number;
  readonly height: number;
  readonly duration: number;
}

interface Standing extends Footprint {
  /** px from the top of the picture, for a bottom comment from its bottom: pictures change their height. */
  readonly offset: number;
  readonly since: number;
  /** The picture's width when it came, px: it flies that far and its own width further. */
  readonly from: number;
}

export class CommentLanes {
  #standing: Standing[] = [];
  #width = 0;
  #height = 0;
  #own = 0;

  /** Sets the size of the picture, px, and the height that a usual comment takes in it. */
  resize(width: number, height: number, line: number): void {
    this.#width = width;
    this.#height = height;
    this.#own = Math.min(Math.max(1, Math.round((OWN_SHARE * height) / line)) * line, height / 3);
  }

  /** The height that flying comments have for themselves, px. */
  get middle(): number {
    return this.#height - 2 * this.#own;
  }

  /**
   * Takes a place for a comment that begins now (ms).
   * @returns px from the top of the picture, null where there is no room
   */
  place(comment: Footprint, now: number): number | null {
    this.#standing = this.#standing.filter(({ since, duration }) => now < since + duration);
    const { mode, height } = comment;
    const flies = mode === 'scroll';
    const end = this.#height - this.#own;
    for (let offset = flies ? this.#own : 0; offset + height <= end; ) {
      const top = mode === 'bottom' ? this.#height - offset - height : offset;
      const other = this.#standing.find((one) => this.#overlap(one, top, height) && this.#meet(one, comment, now));
      if (other === undefined) {
        this.#standing.push({ ...comment, offset, since: now, from: this.#width });
        return top;
      }
      const past = this.#topOf(other);
      offset = mode === 'bottom' ? this.#height - past : past + other.height;
    }
    return null;
  }

  /** Everything was taken off the picture. */
  clear(): void {
    this.#standing = [];
  }

  #topOf({ mode, offset, height }: Standing): number {
    return mode === 'bottom' ? this.#height - offset - height : offset;
  }

  #overlap(one: Standing, top: number, height: number): boolean {
    const other = this.#topOf(one);
    return other < top + height && top < other + one.height;
  }

  /** Whether two comments at the same height would ever touch. One that flies crosses the whole picture. */
  #meet(first: Standing, next: Footprint, now: number): boolean {
    if (first.mode !== 'scroll' || next.mode !== 'scroll') return true;
    const speed = (first.from + first.width) / first.duration;
    const tail = first.from + first.width - speed * (now - first.since);
    if (tail + GAP > this.#width) return true;
    const left = first.since + first.duration - now;
    return this.#width - (left * (this.#width + next.width)) / next.duration < GAP;
  }
}
