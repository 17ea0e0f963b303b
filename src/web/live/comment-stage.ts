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
/** How long a comment stands at the top or bottom, ms. */
const STANDS_MS = 5_000;
/** Comments a second and line: there is seldom room for more. */
const PER_LINE = 0.75;
const FEWEST_A_SECOND = 3;

/** Comments over the picture. What there is no room for is left out and told, but for the reader's own. */
export class CommentStage {
  readonly #container: HTMLElement;
  readonly #own: { has(id: string): boolean };
  readonly #leftOut: () => void;
  readonly #lanes = new CommentLanes();
  readonly #shown = new Map<string, HTMLElement>();
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

  show({ id, text, mode, color, size }: LiveComment): void {
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
    if (top === null && !isOwn) {
      item.remove();
      this.#leftOut();
      return;
    }
    this.#shown.set(id, item);
    item.style.top = `${top ?? 0}px`;
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
    this.#container.replaceChildren();
    this.#shown.clear();
    this.#lanes.clear();
  }
}
