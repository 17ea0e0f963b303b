import { cssColor, type LiveComment } from '../../client/bundle.ts';
import type { Mode } from '../../comment.ts';

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

/** A picture of this height, px, shows comments in the size that they ask for; others scale with it. */
const FULL_HEIGHT = 620;
const SCALE = { least: 0.6, most: 1.25 };
/** Whatever a comment asks for, px: legible, and no larger than a line should be. */
const SIZE = { least: 13, most: 48 };
/** The usual size, px, and how much of the picture's height a line of it takes. */
const USUAL_SIZE = 25;
const LINE = 1.5;
/** px a second that a comment of no width flies, at full size. Longer ones fly faster: all take the same time. */
const SPEED = 150;
/** How long a comment stands at the top or bottom, and how long one may wait for a place, ms. */
const STANDS_MS = 5_000;
/** ms between two looks for a place. */
const LOOK_MS = 200;
/** Comments a second and line: there is seldom room for more. */
const PER_LINE = 0.75;
const FEWEST_A_SECOND = 3;

/**
 * Comments over the picture, none over another. Where there is no room those of the top and the bottom, and the reader's
 * own, wait a little for some; what finds none is left out and told.
 */
export class CommentStage {
  readonly #container: HTMLElement;
  readonly #own: { has(id: string): boolean };
  readonly #leftOut: () => void;
  readonly #lanes = new CommentLanes();
  readonly #shown = new Map<string, HTMLElement>();
  readonly #waiting = new Map<string, ReturnType<typeof setTimeout>>();
  #scale = 1;
  #visible = true;

  constructor(container: HTMLElement, own: { has(id: string): boolean }, leftOut: () => void) {
    this.#container = container;
    this.#own = own;
    this.#leftOut = leftOut;
    this.fit();
  }

  /** Comments a second that the picture has room for. */
  get perSecond(): number {
    const lines = this.#lanes.middle / (USUAL_SIZE * this.#scale * LINE);
    return Math.max(FEWEST_A_SECOND, Math.round(lines * PER_LINE));
  }

  /** To be called when the picture's size has changed. */
  fit(): void {
    const { clientWidth, clientHeight } = this.#container;
    this.#scale = Math.min(SCALE.most, Math.max(SCALE.least, clientHeight / FULL_HEIGHT));
    this.#lanes.resize(clientWidth, clientHeight, USUAL_SIZE * this.#scale * LINE);
  }

  /** @param patience how much longer the comment may wait for a place, ms */
  show(comment: LiveComment, patience = STANDS_MS): void {
    const { id, text, mode, color, size } = comment;
    this.#waiting.delete(id);
    const width = this.#container.clientWidth;
    if (!this.#visible || width === 0) return;
    const item = document.createElement('span');
    const isOwn = this.#own.has(id);
    item.className = `flying ${mode}`;
    item.classList.toggle('own', isOwn);
    item.dir = 'auto';
    item.style.color = cssColor(color);
    item.style.fontSize = `${Math.min(SIZE.most, Math.max(SIZE.least, size)) * this.#scale}px`;
    item.append(text);
    this.#container.append(item);
    const duration = mode === 'scroll' ? (1_000 * width) / (SPEED * this.#scale) : STANDS_MS;
    const box = item.getBoundingClientRect();
    const footprint = { mode, width: Math.ceil(box.width), height: Math.ceil(box.height), duration };
    const top = this.#lanes.place(footprint, performance.now());
    if (top === null) {
      item.remove();
      const waits = patience > 0 && (isOwn || mode !== 'scroll');
      if (waits)
        this.#waiting.set(
          id,
          setTimeout(() => this.show(comment, patience - LOOK_MS), LOOK_MS),
        );
      else this.#leftOut();
      return;
    }
    this.#shown.set(id, item);
    item.style.top = `${top}px`;
    const frames =
      mode === 'scroll'
        ? { translate: [`${width}px`, `${-footprint.width}px`] }
        : { visibility: ['visible', 'visible'] };
    item.animate(frames, duration).onfinish = () => {
      item.remove();
      if (this.#shown.get(id) === item) this.#shown.delete(id);
    };
  }

  /** Takes comments off the screen. */
  recall(ids: readonly string[]): void {
    for (const id of ids) {
      this.#shown.get(id)?.remove();
      this.#shown.delete(id);
      clearTimeout(this.#waiting.get(id));
      this.#waiting.delete(id);
    }
  }

  /** Marks a comment as the reader's own; the server's answer may come after the comment itself. */
  markOwn(id: string): void {
    this.#shown.get(id)?.classList.add('own');
  }

  /** Clears the screen and shows nothing more, or shows again. */
  turn(on: boolean): void {
    this.#visible = on;
    if (on) return;
    for (const timer of this.#waiting.values()) clearTimeout(timer);
    this.#waiting.clear();
    this.#container.replaceChildren();
    this.#shown.clear();
    this.#lanes.clear();
  }
}
