/** The senders of a load thread: comments as frames, when each is due, and what the server has not answered. */
import { seeded } from '../../src/seeded.ts';
import type { LoadPlan, SentComment } from './plan.ts';
import { benchNow, type Tally } from './tally.ts';
import { OPCODE, writeHeader } from './wire.ts';

const PREFIX = Buffer.from('{"type":"comment","ref":"');
/** A header of up to 65,535 bytes, a ref and its quotes: what is added to a comment's own bytes. */
const MOST_ADDED = 8 + PREFIX.length + 20;

/** Comments as WebSocket frames. All but the ref is encoded once. */
export class CommentFrames {
  readonly #tails: readonly Buffer[];
  readonly longest: number;

  constructor(comments: readonly SentComment[]) {
    this.#tails = comments.map(({ text, mode, color, size }) => {
      return Buffer.from(`",${JSON.stringify({ text, mode, color, size }).slice(1)}`);
    });
    this.longest = MOST_ADDED + Math.max(...this.#tails.map(({ length }) => length));
  }

  /** Writes comment `number` (over and over) with a whole number as ref to `into[at, …)`; returns the frame's end. */
  write(into: Buffer, at: number, number: number, ref: number): number {
    const tail = this.#tails[number % this.#tails.length] as Buffer;
    const digits = String(ref);
    let end = writeHeader(into, at, OPCODE.text, PREFIX.length + digits.length + tail.length);
    end += PREFIX.copy(into, end);
    end += into.write(digits, end, 'latin1');
    return end + tail.copy(into, end);
  }
}

/** Returns the times, in ms, that have come up to `now` and were not told before, at most `most` of them. */
type Pace = (now: number, most?: number) => number[];

/**
 * A pace, `rate` times a second, that is kept whatever happens: what could not be done in time stays due. It is even, or
 * each time is drawn within its own gap: an even pace would meet a server's interval at the same places over and over.
 * @param startedAt ms, of the clock that the pace is told
 * @param phase from 0 to below 1, the part of a period by which it lags, to go between the times of others
 * @param random draws where in its gap each time is, from 0 to below 1; without it, at the beginning
 */
export function makePace(rate: number, startedAt: number, phase = 0, random = () => 0): Pace {
  const period = 1_000 / rate;
  let taken = 0;
  const draw = (): number => startedAt + (taken + phase + random()) * period;
  let next = draw();
  return (now, most = Number.POSITIVE_INFINITY) => {
    const times: number[] = [];
    while (times.length < most && next <= now) {
      times.push(next);
      taken += 1;
      next = draw();
    }
    return times;
  };
}

/** While more than this waits in a socket, comments stay due: they are sent later, and their time still counts. */
const MOST_BUFFERED = 1024 * 1024;

export interface SenderLink {
  readonly isUp: boolean;
  readonly buffered: number;
  write(bytes: Buffer): void;
}

/** The comments of one connection: those that are due, and those that the server has not answered. */
export class Sender {
  readonly link: SenderLink;
  isStarted = false;
  /** Places of the window that are kept free. */
  held = 0;
  readonly #frames: CommentFrames;
  readonly #scratch: Buffer;
  /** Offset into the comments, so that not all senders say the same. */
  readonly #offset: number;
  /** When each unanswered comment was due, by ref. */
  readonly #unanswered = new Map<number, number>();
  #due: number[] = [];
  #nextRef = 0;

  constructor(link: SenderLink, frames: CommentFrames, scratch: Buffer, offset: number) {
    this.link = link;
    this.#frames = frames;
    this.#scratch = scratch;
    this.#offset = offset;
  }

  get hasDue(): boolean {
    return this.#due.length > 0;
  }

  /** A comment is due at `at`, benchNow() ms. It goes out with the next `flush`. */
  schedule(at: number): void {
    this.isStarted = true;
    this.#due.push(at);
  }

  /** Makes so many comments due now that `window` are due or unanswered. */
  fill(window: number): void {
    this.isStarted = true;
    const free = window - this.held - this.#unanswered.size - this.#due.length;
    if (free > 0) this.#due.push(...new Array<number>(free).fill(benchNow()));
  }

  flush(): number {
    if (this.#due.length === 0 || !this.link.isUp || this.link.buffered > MOST_BUFFERED) return 0;
    const due = this.#due;
    this.#due = [];
    let end = 0;
    for (const at of due) {
      if (end + this.#frames.longest > this.#scratch.length) {
        this.#write(end);
        end = 0;
      }
      end = this.#frames.write(this.#scratch, end, this.#offset + this.#nextRef, this.#nextRef);
      this.#unanswered.set(this.#nextRef, at);
      this.#nextRef += 1;
    }
    this.#write(end);
    return due.length;
  }

  /** The server has answered `ref`; returns when that comment was due, undefined if it was not unanswered. */
  takeAnswered(ref: number): number | undefined {
    const at = this.#unanswered.get(ref);
    this.#unanswered.delete(ref);
    return at;
  }

  /** Writes a copy: the system may take the bytes later, and the scratch is written again. */
  #write(end: number): void {
    if (end > 0) this.link.write(Buffer.from(this.#scratch.subarray(0, end)));
  }
}

const LOOK_MS = 4;
/** Comments that one look sends at most; the rest stays due. */
const MOST_AT_ONCE = 10_000;

/** Has the senders of a load thread send in turn from `at`, benchNow() ms, on; returns the timer to stop, if any. */
export function startSending(
  { sending, threads }: LoadPlan,
  thread: number,
  senders: readonly Sender[],
  tally: Tally,
  at: number,
): NodeJS.Timeout | undefined {
  if (sending.kind === 'flood') {
    for (const sender of senders) {
      sender.fill(sending.window);
      tally.counts.sent += sender.flush();
    }
  }
  if (sending.kind !== 'paced' || senders.length === 0) return undefined;
  // Each sender follows the one before it, so all keep one pace, and threads go between each other's times.
  const pace = makePace(sending.rate * senders.length, at, thread / threads, seeded(thread));
  const waiting = new Set<Sender>();
  let next = 0;
  const sendDue = (): void => {
    for (const time of pace(benchNow(), MOST_AT_ONCE)) {
      const sender = senders[next % senders.length] as Sender;
      next += 1;
      if (!sender.link.isUp) continue;
      sender.schedule(time);
      waiting.add(sender);
    }
    tally.look();
    for (const sender of waiting) {
      tally.counts.sent += sender.flush();
      if (!sender.hasDue || !sender.link.isUp) waiting.delete(sender);
    }
  };
  return setInterval(sendDue, LOOK_MS);
}
