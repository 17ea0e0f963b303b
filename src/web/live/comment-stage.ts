import { cssColor, type LiveComment } from '../../client/bundle.ts';
import { CommentLanes } from './comment-lanes.ts';

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
