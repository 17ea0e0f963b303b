import { CLOSE } from '../src/codes.ts';
import type { ShardCounters } from '../src/counters.ts';
import type { Senders } from './senders.ts';
import { EXCESS, Traffic } from './traffic.ts';
import type { Viewer } from './viewer.ts';

/** What one turn of the loop spends on messages. A message costs a unit, and one more for each KiB; 8 ms in all. */
const UNITS_A_TURN = 2_048;

/** Of these, what goes to the messages of one socket as they arrive. */
const UNITS_OF_ONE = 256;

/** JSON.parse throws at what is no JSON: such a message costs so many units more. */
const FAILED_PARSE = 4;

/**
 * Messages and bytes of one socket that wait for a later turn, and bytes of all. What is over these is dropped. Fewer may
 * wait where the sockets together have used up the turn.
 */
const MOST_WAITING = 128;
const MOST_WAITING_IN_FLOOD = 32;
const MOST_WAITING_BYTES = 131_072;
const MOST_WAITING_BYTES_ALL = 16_777_216;

/** Messages that a socket has handled before the next one that waits. */
const PORTION = 8;

/**
 * After a close frame uWebSockets.js reads on, for up to so many ms, and throws away what it reads: a flood that does not
 * stop then costs the shard 0.1 ms a turn. So many may cost it that; the others are cut without a close frame.
 */
const FAREWELL_MS = 16_000;
const MOST_FAREWELLS = 8;

/** Pings and pongs that one socket may send in a row. */
const MOST_IN_A_ROW = 16;

/**
 * What viewers send, in portions: however much arrives in a turn of the loop, the turn handles only so much of it, and
 * of each socket only so much. The rest waits, and sockets go by turns: a flood costs the shard's other viewers little.
 *
 *   message ──units left──▶ handled
 *      ├──────none left───▶ waits ──in a later turn──▶ handled
 *      └──too much waits, or too much was refused──▶ dropped ──and more──▶ socket closed with 1008
 *
 * uWebSockets.js hands over all messages of one read in a loop, 75,000 of one byte each. So dropping one only counts it,
 * and one answer at the end of the turn tells how many there were.
 */
export class Inbox {
  readonly #senders: Senders;
  readonly #counters: ShardCounters;
  #turn = 1;
  #now = 0;
  #left = UNITS_A_TURN;
  #scheduled = false;
  /** Viewers whose messages wait, in the order of their turns. */
  readonly #waiting = new Set<Viewer>();
  #waitingBytes = 0;
  /** Viewers that had messages dropped in this turn. */
  #dropping: Viewer[] = [];
  /** When sockets were closed with a close frame, of late. */
  #farewells: number[] = [];
  /** Who sent the last ping or pong in this turn, and how many in a row. */
  #pinging: Viewer | undefined;
  #inARow = 0;

  constructor(senders: Senders, counters: ShardCounters) {
    this.#senders = senders;
    this.#counters = counters;
  }

  /** Takes a message. `bytes` lie on uWebSockets.js' stack: what waits is copied. */
  receive(viewer: Viewer, bytes: ArrayBuffer, isBinary: boolean): void {
    this.#counters.add('messagesReceived', 1);
    this.#schedule();
    viewer.traffic ??= new Traffic();
    const { traffic } = viewer;
    traffic.enter(this.#turn);
    traffic.received += 1;
    if (traffic.dropped > 0 || traffic.exceed(0, this.#now) >= EXCESS.most) {
      this.#dropArrived(viewer, traffic);
      return;
    }
    const message = Buffer.from(bytes);
    if (this.#senders.refuseAtSight(viewer, traffic, message, isBinary)) {
      this.#spend(traffic, 1);
    } else if (traffic.waiting.length === 0 && this.#left > 0 && traffic.units < UNITS_OF_ONE) {
      this.#handle(viewer, traffic, message);
    } else if (
      traffic.waiting.length < (this.#left > 0 ? MOST_WAITING : MOST_WAITING_IN_FLOOD) &&
      traffic.waitingBytes + message.length <= MOST_WAITING_BYTES &&
      this.#waitingBytes + message.length <= MOST_WAITING_BYTES_ALL
    ) {
      traffic.waiting.push({ number: traffic.received, bytes: Buffer.from(message) });
      traffic.waitingBytes += message.length;
      this.#waitingBytes += message.length;
      this.#waiting.add(viewer);
    } else {
      this.#dropArrived(viewer, traffic);
    }
  }

  /** A ping or a pong has come, which uWebSockets.js handles: a viewer that sends nothing but those floods too. */
  control(viewer: Viewer): void {
    this.#counters.add('work', 1);
    this.#schedule();
    this.#inARow = viewer === this.#pinging ? this.#inARow + 1 : 1;
    this.#pinging = viewer;
    if (this.#inARow <= MOST_IN_A_ROW) return;
    viewer.traffic ??= new Traffic();
    const { traffic } = viewer;
    if (traffic.exceed(EXCESS.nonsense, this.#now) >= EXCESS.closing) this.#close(viewer, traffic);
  }

  /** Handles everything that waits, whatever it costs. */
  flush(): void {
    for (const viewer of this.#waiting) this.#handleWaiting(viewer, MOST_WAITING);
  }

  #handle(viewer: Viewer, traffic: Traffic, bytes: Buffer): void {
    const refused = this.#senders.receive(viewer, traffic, bytes);
    this.#spend(traffic, 1 + (bytes.length >>> 10) + (refused === 'NOT_JSON' ? FAILED_PARSE : 0));
  }

  #spend(traffic: Traffic, units: number): void {
    traffic.units += units;
    this.#left -= units;
  }

  /** The next messages of a viewer that waits. It may be gone: what it said before is said all the same. */
  #handleWaiting(viewer: Viewer, most: number): void {
    const { traffic } = viewer;
    this.#waiting.delete(viewer);
    if (traffic === undefined) return;
    traffic.enter(this.#turn);
    let handled = 0;
    for (const { number, bytes } of traffic.waiting) {
      if (handled === most) break;
      if (traffic.exceed(0, this.#now) >= EXCESS.most) {
        this.#dropWaiting(viewer, traffic, number);
        return;
      }
      handled += 1;
      traffic.waitingBytes -= bytes.length;
      this.#waitingBytes -= bytes.length;
      this.#handle(viewer, traffic, bytes);
    }
    traffic.waiting.splice(0, handled);
    if (traffic.waiting.length > 0) this.#waiting.add(viewer);
  }

  /** What follows in the same turn is dropped too, so that one answer can name them all. */
  #dropArrived(viewer: Viewer, traffic: Traffic): void {
    if (traffic.dropped === 0) {
      traffic.firstDropped = traffic.received;
      this.#dropping.push(viewer);
    }
    traffic.dropped += 1;
    this.#drop(viewer, traffic, 1);
  }

  /** Drops what waits, from its message `first` on. */
  #dropWaiting(viewer: Viewer, traffic: Traffic, first: number): void {
    const last = traffic.waiting.at(-1)?.number ?? first;
    this.#forget(viewer, traffic);
    this.#senders.tellDropped(viewer, first, last - first + 1);
    this.#drop(viewer, traffic, last - first + 1);
  }

  #drop(viewer: Viewer, traffic: Traffic, count: number): void {
    this.#counters.add('RATE_LIMITED', count);
    if (traffic.exceed(EXCESS.dropped * count, this.#now) >= EXCESS.closing) this.#close(viewer, traffic);
  }

  #close(viewer: Viewer, traffic: Traffic): void {
    if (viewer.closed) return;
    this.#forget(viewer, traffic);
    const now = performance.now();
    this.#farewells = this.#farewells.filter((at) => now - at < FAREWELL_MS);
    if (this.#farewells.length < MOST_FAREWELLS) {
      this.#farewells.push(now);
      viewer.close(CLOSE.FLOOD, 'sends too much');
    } else {
      this.#counters.add('floodClosed', 1);
      viewer.cut();
    }
  }

  #forget(viewer: Viewer, traffic: Traffic): void {
    this.#waiting.delete(viewer);
    this.#waitingBytes -= traffic.waitingBytes;
    traffic.waitingBytes = 0;
    traffic.waiting = [];
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#now = performance.now();
    setImmediate(() => this.#endTurn());
  }

  /** Ends a turn, and begins the next with what waits. */
  #endTurn(): void {
    this.#scheduled = false;
    this.#counters.add('work', 1);
    for (const viewer of this.#dropping) {
      const { firstDropped = 0, dropped = 0 } = viewer.traffic ?? {};
      this.#senders.tellDropped(viewer, firstDropped, dropped);
    }
    this.#dropping = [];
    this.#pinging = undefined;
    this.#turn += 1;
    this.#left = UNITS_A_TURN;
    this.#now = performance.now();
    // Half of the turn is for what arrives in it: one who comes new does not wait for a flood to be handled.
    for (const viewer of this.#waiting) {
      if (this.#left <= UNITS_A_TURN / 2) break;
      this.#handleWaiting(viewer, PORTION);
    }
    if (this.#waiting.size > 0) this.#schedule();
  }
}
