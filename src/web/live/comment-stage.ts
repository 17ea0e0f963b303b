import Danmaku from 'danmaku';
import { cssColor, type LiveComment } from '../../client/bundle.ts';

type Item = Parameters<Danmaku['emit']>[0];

/** A picture of this height, px, shows comments in the size that they ask for; others scale with it. */
const FULL_HEIGHT = 620;
const SCALE = { least: 0.6, most: 1.25 };
/** Whatever a comment asks for, px: legible, and no larger than a line should be. */
const SIZE = { least: 13, most: 48 };
/** The usual size, px, and how much of the picture's height a line of it takes. */
const USUAL_SIZE = 25;
const LINE = 1.5;
/** px a second that a comment of no width flies, at full size. */
const SPEED = 150;
/** Comments a second and line: more would fly over each other. */
const PER_LINE = 0.75;
const FEWEST_A_SECOND = 3;
/** Ids of recalled comments that are remembered, for those that are on their way to the screen. */
const REMEMBERED = 1_000;

/** Stands in for what was shown. */
const SPENT: Item = {};

/** Comments that fly over the picture, rendered by the `danmaku` package. */
export class CommentStage {
  readonly #container: HTMLElement;
  readonly #own: { has(id: string): boolean };
  readonly #danmaku: Danmaku;
  /**
   * The package's own list of what it was given, which it never shortens while live. What was shown is taken out of it
   * here, so that a page that stays open for days keeps 8 bytes a comment.
   */
  readonly #given: Item[] = [];
  #spent = 0;
  readonly #recalled = new Set<string>();
  #scale = 1;
  #visible = true;

  constructor(container: HTMLElement, own: { has(id: string): boolean }) {
    this.#container = container;
    this.#own = own;
    this.#danmaku = new Danmaku({ container, comments: this.#given, speed: SPEED });
    this.fit();
  }

  /** Comments a second that the picture has room for. */
  get perSecond(): number {
    const lines = this.#container.clientHeight / (USUAL_SIZE * this.#scale * LINE);
    return Math.max(FEWEST_A_SECOND, Math.round(lines * PER_LINE));
  }

  /** To be called when the picture's size has changed. */
  fit(): void {
    this.#scale = Math.min(SCALE.most, Math.max(SCALE.least, this.#container.clientHeight / FULL_HEIGHT));
    this.#danmaku.speed = SPEED * this.#scale;
    this.#danmaku.resize();
  }

  show({ id, text, mode, color, size }: LiveComment): void {
    if (!this.#visible) return;
    const place = this.#given.length;
    const render = (): HTMLElement => {
      // Everything up to here has been read by the package.
      for (; this.#spent <= place; this.#spent += 1) this.#given[this.#spent] = SPENT;
      const item = document.createElement('span');
      item.className = this.#own.has(id) ? 'flying own' : 'flying';
      item.dataset.id = id;
      item.dir = 'auto';
      item.style.color = cssColor(color);
      item.style.fontSize = `${Math.min(SIZE.most, Math.max(SIZE.least, size)) * this.#scale}px`;
      if (!this.#recalled.has(id)) item.append(text);
      return item;
    };
    this.#danmaku.emit({ mode: mode === 'scroll' ? 'rtl' : mode, render });
  }

  /** Takes comments off the screen. Their elements stay, for the package counts on finding them. */
  recall(ids: readonly string[]): void {
    for (const id of ids) this.#recalled.add(id);
    for (const id of this.#recalled) {
      if (this.#recalled.size <= REMEMBERED) break;
      this.#recalled.delete(id);
    }
    for (const item of this.#container.querySelectorAll<HTMLElement>('.flying')) {
      if (this.#recalled.has(item.dataset.id ?? '')) item.replaceChildren();
    }
  }

  /** The room has begun anew: its ids say nothing of those before. */
  forget(): void {
    this.#recalled.clear();
  }

  markOwn(id: string): void {
    for (const item of this.#container.querySelectorAll<HTMLElement>('.flying')) {
      if (item.dataset.id === id) item.classList.add('own');
    }
  }

  /** Clears the screen and shows nothing more, or shows again. */
  turn(on: boolean): void {
    this.#visible = on;
    if (on) this.#danmaku.show();
    else this.#danmaku.hide();
  }
}
