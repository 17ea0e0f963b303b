import type { BusyRoom, Tick } from '../../metrics/sample.ts';
import { makeElement, setText } from '../page-element.ts';
import { writeCount } from './number-text.ts';

/**
 * For so long after the pointer last moved over the rows, or pressed, they keep their places, in ms: a click goes where
 * it was meant to. A pointer that was left lying there holds up nothing.
 */
const HOLD_MS = 3_000;

export type RoomOrder = 'viewers' | 'comments';

/**
 * Busy with comments is a room for its comments of the last half minute, the later ones weighing more: by those of one
 * second alone, slow rooms would come and go.
 */
const KEPT_A_SECOND = 0.9;
const LEAST_BUSY = 0.05;
const LISTED = 10;

/** What stands there where no room is listed. */
const NONE: Readonly<Record<RoomOrder, string>> = {
  viewers: 'Nobody watches a room.',
  comments: 'Nobody says anything.',
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
  /** Rooms in which something was said lately. */
  readonly #talking = new Map<string, { room: BusyRoom; weight: number }>();
  /** Null as long as nobody has chosen: by viewers, and where nobody watches, by comments. */
  #chosen: RoomOrder | null = null;
  #order: RoomOrder = 'viewers';
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

  /** Takes the news of a second. */
  take(tick: Tick): void {
    this.#tick = tick;
    for (const [name, talking] of this.#talking) {
      talking.weight *= KEPT_A_SECOND;
      talking.room = { ...talking.room, comments: 0, pending: 0 };
      if (talking.weight < LEAST_BUSY) this.#talking.delete(name);
    }
    for (const room of tick.byComments) {
      const before = this.#talking.get(room.room)?.weight ?? 0;
      this.#talking.set(room.room, { room, weight: before + room.comments });
    }
    if (tick.byViewers.length > 0) this.#order = 'viewers';
    else if (this.#talking.size > 0) this.#order = 'comments';
    this.#order = this.#chosen ?? this.#order;
  }

  /** Shows the rooms of the last second that was taken. @returns the order that they are shown in */
  show(): RoomOrder {
    const rooms = this.#order === 'viewers' ? (this.#tick?.byViewers ?? []) : this.#busyWithComments();
    this.#none.hidden = rooms.length > 0;
    setText(this.#none, NONE[this.#order]);
    for (const room of rooms) this.#write(room);
    const listed = new Set(rooms.map(({ room }) => room));
    const left = [...this.#rows].filter(([room]) => !listed.has(room));
    // They may stand there a little longer, but nothing is known of them any more.
    for (const [, { cells }] of left) for (const cell of cells) setText(cell, '–');
    if (performance.now() - this.#touchedAt < HOLD_MS) return this.#order;
    const elements = rooms.flatMap(({ room }) => this.#rows.get(room)?.element ?? []);
    for (const [room, { element, button }] of left) {
      if (button === document.activeElement) elements.push(element);
      else this.#rows.delete(room);
    }
    placeChildren(this.#body, elements);
    return this.#order;
  }

  sortBy(order: RoomOrder): void {
    this.#chosen = order;
    this.#order = order;
    this.#touchedAt = Number.NEGATIVE_INFINITY;
    this.show();
  }

  #busyWithComments(): BusyRoom[] {
    const talking = [...this.#talking.values()].sort((one, other) => other.weight - one.weight);
    return talking.slice(0, LISTED).map(({ room }) => room);
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
    const watch = makeElement('a', 'watch', 'Watch');
    watch.href = `/?room=${encodeURIComponent(room)}`;
    watch.setAttribute('aria-label', `Watch ${room}`);
    const row = { element: makeElement('tr', '', head, ...cells, makeElement('td', '', watch)), button, cells };
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
