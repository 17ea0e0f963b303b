import { cssColor, type LiveComment } from '../../client/bundle.ts';
import { elementOf } from '../page-element.ts';

/** Comments that are kept to look back at. */
const KEPT = 200;

/** Who scrolled up by less than this, px, still reads the newest. */
const AT_END = 40;

const TIME = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });

type Entry = LiveComment | { readonly missed: string };

/** The last comments as a list, for who cannot or does not want to read them as they fly by. */
export class CommentLog {
  readonly #panel = elementOf('log-panel', HTMLElement);
  readonly #toggle = elementOf('log-toggle', HTMLButtonElement);
  readonly #region = elementOf('log', HTMLElement);
  readonly #list = elementOf('log-list', HTMLElement);
  readonly #newest = elementOf('log-newest', HTMLButtonElement);
  readonly #own: { has(id: string): boolean };
  /** What is not in the list yet; it goes in with the next frame, however much comes before that. */
  #coming: Entry[] = [];
  /** What the list would show if it were open. */
  #kept: Entry[] = [];
  #frame = 0;

  constructor(own: { has(id: string): boolean }) {
    this.#own = own;
    this.#toggle.addEventListener('click', () => this.open(this.#panel.hidden !== false));
    this.#newest.addEventListener('click', () => this.#scrollToEnd());
    this.#region.addEventListener('scroll', () => {
      if (this.#atEnd()) this.#newest.hidden = true;
    });
    elementOf('log-aloud', HTMLInputElement).addEventListener('change', (event) => {
      const aloud = event.target instanceof HTMLInputElement && event.target.checked;
      this.#region.setAttribute('aria-live', aloud ? 'polite' : 'off');
    });
  }

  open(open: boolean): void {
    this.#panel.hidden = !open;
    this.#toggle.setAttribute('aria-expanded', String(open));
    if (!open) return;
    this.#coming = [];
    this.#list.replaceChildren(...this.#kept.map((entry) => this.#itemOf(entry)));
    this.#scrollToEnd();
  }

  add(comments: readonly LiveComment[]): void {
    this.#take(comments);
  }

  /** Empties the list. */
  clear(): void {
    this.#kept = [];
    this.#coming = [];
    this.#list.replaceChildren();
  }

  /** Says that comments are missing here for good. */
  miss(): void {
    this.#take([{ missed: 'Some comments are missing here.' }]);
  }

  recall(ids: readonly string[]): void {
    const gone = new Set(ids);
    const stays = (entry: Entry): boolean => !('id' in entry && gone.has(entry.id));
    this.#kept = this.#kept.filter(stays);
    this.#coming = this.#coming.filter(stays);
    for (const item of [...this.#list.children]) {
      if (item instanceof HTMLElement && gone.has(item.dataset.id ?? '')) item.remove();
    }
  }

  /** Marks a comment as the reader's own; the server's answer may come after the comment itself. */
  markOwn(id: string): void {
    for (const item of this.#list.children) {
      if (item instanceof HTMLElement && item.dataset.id === id) item.classList.add('own');
    }
  }

  #take(entries: readonly Entry[]): void {
    const last = entries.slice(-KEPT);
    this.#kept = [...this.#kept, ...last].slice(-KEPT);
    if (this.#panel.hidden) return;
    this.#coming = [...this.#coming, ...last].slice(-KEPT);
    if (this.#frame === 0) this.#frame = requestAnimationFrame(() => this.#flush());
  }

  #flush(): void {
    this.#frame = 0;
    const follows = this.#atEnd();
    this.#list.append(...this.#coming.map((entry) => this.#itemOf(entry)));
    this.#coming = [];
    while (this.#list.childElementCount > KEPT) this.#list.firstElementChild?.remove();
    if (follows) this.#scrollToEnd();
    else this.#newest.hidden = false;
  }

  #itemOf(entry: Entry): HTMLLIElement {
    const item = document.createElement('li');
    if ('missed' in entry) {
      item.className = 'missed';
      item.append(entry.missed);
      return item;
    }
    item.dataset.id = entry.id;
    item.classList.toggle('own', this.#own.has(entry.id));
    item.style.setProperty('--colour', cssColor(entry.color));
    const time = document.createElement('time');
    time.dateTime = new Date(entry.time).toISOString();
    time.append(TIME.format(entry.time));
    const name = document.createElement('b');
    name.className = 'name';
    name.dir = 'auto';
    name.append(entry.name);
    const text = document.createElement('span');
    // A text written from right to left, or one that plays tricks with that, turns nothing round it.
    text.dir = 'auto';
    text.append(entry.text);
    item.append(time, ...(entry.name === '' ? [] : [name]), text);
    return item;
  }

  #atEnd(): boolean {
    const { scrollHeight, scrollTop, clientHeight } = this.#region;
    return scrollHeight - scrollTop - clientHeight < AT_END;
  }

  #scrollToEnd(): void {
    this.#region.scrollTop = this.#region.scrollHeight;
    this.#newest.hidden = true;
  }
}
