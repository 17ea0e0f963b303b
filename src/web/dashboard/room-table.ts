import type { BusyRoom, Tick } from '../../metrics/sample.ts';
import { makeElement, setText } from '../page-element.ts';
import { writeCount } from './number-text.ts';

type Order = 'viewers' | 'comments';

interface Row {
  readonly element: HTMLTableRowElement;
  readonly button: HTMLButtonElement;
  readonly cells: readonly HTMLTableCellElement[];
}

/** The busiest rooms. A room is opened by its name, which is a button. */
export class RoomTable {
  readonly #body: HTMLElement;
  readonly #none: HTMLElement;
  readonly #open: (room: string) => void;
  readonly #rows = new Map<string, Row>();
  #order: Order = 'viewers';
  #tick: Tick | null = null;
  #opened: string | null = null;

  constructor(body: HTMLElement, none: HTMLElement, open: (room: string) => void) {
    this.#body = body;
    this.#none = none;
    this.#open = open;
  }

  show(tick: Tick): void {
    this.#tick = tick;
    const rooms = this.#order === 'viewers' ? tick.byViewers : tick.byComments;
    this.#none.hidden = rooms.length > 0;
    for (const room of rooms) this.#write(room);
    // Under the pointer nothing moves, so that a click goes where it was meant to.
    if (this.#body.matches(':hover') && matchMedia('(hover: hover)').matches && this.#rows.size > 0) return;
    const listed = new Set(rooms.map(({ room }) => room));
    for (const name of this.#rows.keys()) {
      if (!listed.has(name)) this.#rows.delete(name);
    }
    const elements = rooms.flatMap(({ room }) => this.#rows.get(room)?.element ?? []);
    if (
      elements.every((element, i) => element === this.#body.children[i]) &&
      elements.length === this.#body.children.length
    )
      return;
    const focused = document.activeElement;
    this.#body.replaceChildren(...elements);
    if (focused instanceof HTMLElement && this.#body.contains(focused)) focused.focus();
  }

  sortBy(order: Order): void {
    this.#order = order;
    if (this.#tick !== null) this.show(this.#tick);
  }

  /** Marks the room whose detail is open; null for none. */
  mark(room: string | null): void {
    this.#opened = room;
    for (const [name, row] of this.#rows) this.#markRow(name, row);
  }

  #write({ room, viewers, comments, pending, seq }: BusyRoom): void {
    const row = this.#rows.get(room) ?? this.#add(room);
    for (const [i, value] of [viewers, comments, pending, seq].entries()) {
      const cell = row.cells[i];
      if (cell !== undefined) setText(cell, writeCount(value));
    }
  }

  #add(room: string): Row {
    const button = makeElement('button', 'room-name', room);
    button.type = 'button';
    button.addEventListener('click', () => this.#open(room));
    const head = makeElement('th', '', button);
    head.scope = 'row';
    const cells = [0, 1, 2, 3].map(() => makeElement('td'));
    const row = { element: makeElement('tr', '', head, ...cells), button, cells };
    this.#rows.set(room, row);
    this.#markRow(room, row);
    return row;
  }

  #markRow(name: string, { element, button }: Row): void {
    const isOpen = name === this.#opened;
    element.classList.toggle('opened', isOpen);
    button.setAttribute('aria-expanded', String(isOpen));
  }
}
