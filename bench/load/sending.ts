import { seeded } from '../../src/seeded.ts';
import { benchNow } from './bench-clock.ts';
import type { LoadPlan } from './load-plan.ts';
import { Pace } from './pace.ts';
import type { Sender } from './sender.ts';
import type { Tally } from './tally.ts';

/** How often a thread looks for comments that are due. */
const LOOK_MS = 4;
/** Comments that one look sends at most; the rest stays due. */
const MOST_AT_ONCE = 10_000;

/** The senders of a load thread, and when each has its turn. */
export class Sending {
  readonly #plan: LoadPlan;
  readonly #thread: number;
  readonly #tally: Tally;
  readonly #senders: Sender[] = [];
  /** Senders that have comments due. */
  #due = new Set<Sender>();
  #next = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(plan: LoadPlan, thread: number, tally: Tally) {
    this.#plan = plan;
    this.#thread = thread;
    this.#tally = tally;
  }

  /** Adds a sender; only before the start. */
  add(sender: Sender): void {
    this.#senders.push(sender);
  }

  /** Starts at `at`, benchNow() ms, which all threads are told alike. */
  start(at: number): void {
    const { sending, threads } = this.#plan;
    if (this.#senders.length === 0 || this.#timer !== undefined) return;
    if (sending.kind === 'paced') {
      // Each sender has its turn after the one before it: so all go at one pace, and threads between each other's.
      const pace = new Pace(sending.rate * this.#senders.length, at, this.#thread / threads, seeded(this.#thread));
      this.#timer = setInterval(() => this.#sendDue(pace), LOOK_MS);
    } else if (sending.kind === 'flood') {
      for (const sender of this.#senders) {
        sender.fill(sending.window);
        this.#tally.sent += sender.flush();
      }
    }
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #sendDue(pace: Pace): void {
    for (const at of pace.due(benchNow(), MOST_AT_ONCE)) {
      const sender = this.#senders[this.#next % this.#senders.length] as Sender;
      this.#next += 1;
      if (!sender.link.isUp) continue;
      sender.schedule(at);
      this.#due.add(sender);
    }
    this.#tally.look();
    for (const sender of this.#due) {
      this.#tally.sent += sender.flush();
      if (!sender.hasDue || !sender.link.isUp) this.#due.delete(sender);
    }
  }
}
