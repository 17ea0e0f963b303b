import type { BusyRoom, Tick } from '../../metrics/sample.ts';
import { makeElement, setText } from '../page-element.ts';
import { writeCount } from './number-text.ts';

/**
 * For so long after the pointer last moved over the rows, or pressed, they keep their places, in ms: a click goes where
 * it was meant to. A pointer that was left lying there holds up nothing.
 */
const HOLD_MS = 3_000;

type Order = 'viewers' | 'comments';

/** What stands there where no room is listed. */
const NONE: Readonly<Record<Order, string>> = {
  viewers: 'Nobody watches a room.',
  comments: 'No comment in the last second.',
};

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
  #touchedAt = Number.NEGATIVE_INFINITY;

  constructor(body: HTMLElement, none: HTMLElement, open: (room: string) => void) {
    this.#body = body;
    this.#none = none;
    this.#open = open;
    for (const type of ['pointermove', 'pointerdown']) {
      body.addEventListener(type, () => {
        this.#touchedAt = performance.now();
      });
    }
  }

  show(tick: Tick): void {
    this.#tick = tick;
    const rooms = this.#order === 'viewers' ? tick.byViewers : tick.byComments;
    this.#none.hidden = rooms.length > 0;
    setText(this.#none, NONE[this.#order]);
    for (const room of rooms) this.#write(room);
    const listed = new Set(rooms.map(({ room }) => room));
    const left = [...this.#rows].filter(([room]) => !listed.has(room));
    // They may stand there a little longer, but nothing is known of them any more.
    for (const [, { cells }] of left) for (const cell of cells) setText(cell, '–');
    if (performance.now() - this.#touchedAt < HOLD_MS) return;
    const elements = rooms.flatMap(({ room }) => this.#rows.get(room)?.element ?? []);
    for (const [room, { element, button }] of left) {
      if (button === document.activeElement) elements.push(element);
      else this.#rows.delete(room);
    }
    placeChildren(this.#body, elements);
  }

  sortBy(order: Order): void {
    this.#order = order;
    this.#touchedAt = Number.NEGATIVE_INFINITY;
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

/** Gives `parent` these children in this order. The one with the focus is not moved, which would take the focus off it. */
function placeChildren(parent: Element, children: readonly Element[]): void {
  const isSame =
    children.length === parent.children.length && children.every((child, i) => child === parent.children[i]);
  if (isSame) return;
  const focused = children.findIndex((child) => child.contains(document.activeElement));
  if (focused === -1) {
    parent.replaceChildren(...children);
    return;
  }
  for (const child of [...parent.children]) if (!children.includes(child)) child.remove();
  children[focused]?.before(...children.slice(0, focused));
  children[focused]?.after(...children.slice(focused + 1));
}
