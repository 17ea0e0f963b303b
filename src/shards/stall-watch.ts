import { closeSync, openSync, readSync } from 'node:fs';
import type { Clock } from '../clock.ts';

/** How often each shard is looked at, in ms. */
const LOOK_MS = 250;

/** Time for a thread to start and load its code, in ms. */
const STARTING_MS = 10_000;

/** The least time without progress that counts while the kernel does not tell what a thread does, in ms. */
const BLIND_MS = 60_000;

/** A thread that had this share of a look on a processor had all that it needed to get on. */
const ENOUGH = 0.5;

export interface StallWatchOptions {
  readonly clock: Clock;
  readonly shards: number;
  /** Milliseconds without progress, though it could have made some, after which a shard counts as standing still. */
  readonly limit: number;
  /** Any number that changes when the shard gets on: a timer, a message, an entry of the ring. */
  readonly progress: (shard: number) => number;
  /** The kernel's id of the shard's thread; 0 until it has told. */
  readonly thread: (shard: number) => number;
  /** Told once of a shard that stands still, with the ms seen. */
  readonly onStall: (shard: number, ms: number) => void;
  /** What the kernel tells of a thread; tests replace it. */
  readonly openFiles?: (thread: number) => Pick<ThreadFiles, 'times' | 'state' | 'close'> | null;
}

/** One shard, as far as it was seen. */
interface Seen {
  watched: boolean;
  progress: number;
  /** Ms in which it could have got on and did not. */
  still: number;
  /** Since it last got on, the kernel did not always tell what its thread does. */
  blind: boolean;
  thread: number;
  files: Pick<ThreadFiles, 'times' | 'state' | 'close'> | null;
  times: ThreadTimes | null;
}

/**
 * Watches for shards that stand still: in an endless loop, or in one call that does not return.
 *
 *   progress ──none──▶ still: counts ms in which the thread ran, or slept in a call ──limit──▶ told, watched no more
 *      ▲                 │
 *      └──── any ────────┘
 *
 * A shard that works is never taken for one that stands still, however long it needs: what it gets on with counts as
 * well as its timers, and time in which the thread waited for a processor does not count against it. Neither does time
 * in which main itself did not turn, as when the machine was suspended.
 */
export class StallWatch {
  readonly #options: StallWatchOptions;
  readonly #openFiles: NonNullable<StallWatchOptions['openFiles']>;
  readonly #seen: Seen[];
  #lookedAt: number;
  #timer: (() => void) | undefined;

  constructor(options: StallWatchOptions) {
    this.#options = options;
    this.#openFiles = options.openFiles ?? ThreadFiles.open;
    this.#lookedAt = options.clock.now();
    this.#seen = Array.from({ length: options.shards }, () => ({
      watched: false,
      progress: 0,
      still: 0,
      blind: false,
      thread: 0,
      files: null,
      times: null,
    }));
    this.#arm();
  }

  /** A shard is watched from when its thread is asked for until it ends; to begin with it has {@link STARTING_MS} more. */
  watch(shard: number, watched: boolean): void {
    const seen = this.#seen[shard];
    if (seen === undefined) return;
    seen.watched = watched;
    seen.progress = this.#options.progress(shard);
    seen.still = -STARTING_MS;
    seen.blind = false;
  }

  stop(): void {
    this.#timer?.();
    this.#timer = undefined;
    for (const seen of this.#seen) this.#closeFiles(seen);
  }

  #arm(): void {
    this.#timer = this.#options.clock.after(LOOK_MS, () => this.#look());
  }

  #look(): void {
    const now = this.#options.clock.now();
    const elapsed = Math.min(now - this.#lookedAt, 2 * LOOK_MS);
    this.#lookedAt = now;
    this.#arm();
    for (const [shard, seen] of this.#seen.entries()) {
      if (seen.watched) this.#lookAt(shard, seen, elapsed);
    }
  }

  #lookAt(shard: number, seen: Seen, elapsed: number): void {
    const { progress, limit, onStall } = this.#options;
    const before = this.#readTimes(shard, seen);
    const got = progress(shard);
    if (got !== seen.progress) {
      seen.progress = got;
      seen.still = 0;
      seen.blind = false;
      return;
    }
    const idle = idleTime(elapsed, before, seen);
    if (idle === null) seen.blind = true;
    seen.still += idle ?? elapsed;
    if (seen.still < (seen.blind ? Math.max(limit, BLIND_MS) : limit)) return;
    seen.watched = false;
    onStall(shard, seen.still);
  }

  /** Reads what the thread has had by now; gives what it had at the look before. */
  #readTimes(shard: number, seen: Seen): ThreadTimes | null {
    const thread = this.#options.thread(shard);
    if (thread !== seen.thread) this.#closeFiles(seen);
    if (seen.files === null && thread !== 0) {
      seen.files = this.#openFiles(thread);
      seen.thread = thread;
    }
    const before = seen.times;
    seen.times = seen.files?.times() ?? null;
    return before;
  }

  #closeFiles(seen: Seen): void {
    seen.files?.close();
    seen.files = null;
    seen.times = null;
  }
}

/** Of `elapsed` ms without progress, those in which the thread could have made some; null where nobody can tell. */
function idleTime(elapsed: number, before: ThreadTimes | null, { times, files }: Seen): number | null {
  const state = files?.state() ?? null;
  if (times === null || before === null || state === null) return null;
  const ran = times.ran - before.ran;
  // Ready to run: what it did not run it waited, and the kernel counts a wait only when it is over.
  if (state === 'R') return ran >= elapsed * ENOUGH ? elapsed : Math.max(0, ran);
  if (state === 'T' || state === 't') return 0;
  return Math.max(0, elapsed - (times.waited - before.waited));
}

/** What the kernel has counted for a thread since it started, in ms. */
interface ThreadTimes {
  /** On a processor. */
  readonly ran: number;
  /** Ready to run while others had the processors. A wait counts once it is over. */
  readonly waited: number;
}

/** Longer than either file ever is. */
const MOST_BYTES = 1_024;

/**
 * Two files in which Linux tells what a thread of this process does. They are opened once and kept: later the process
 * may be out of files, and that is when it matters which shard still works.
 */
export class ThreadFiles {
  readonly #schedstat: number;
  readonly #stat: number;
  readonly #buffer = Buffer.alloc(MOST_BYTES);

  private constructor(schedstat: number, stat: number) {
    this.#schedstat = schedstat;
    this.#stat = stat;
  }

  /** Opens the files of the thread that the kernel calls `id`; null where there are none to open. */
  static open(id: number): ThreadFiles | null {
    const folder = `/proc/self/task/${id}`;
    const schedstat = openFile(`${folder}/schedstat`);
    if (schedstat === null) return null;
    const stat = openFile(`${folder}/stat`);
    if (stat !== null) return new ThreadFiles(schedstat, stat);
    closeSync(schedstat);
    return null;
  }

  /** Null when the file cannot be read, as when the thread has ended. */
  times(): ThreadTimes | null {
    const [ran, waited] = this.#read(this.#schedstat)?.split(' ').map(Number) ?? [];
    if (ran === undefined || waited === undefined) return null;
    return { ran: ran / 1e6, waited: waited / 1e6 };
  }

  /** One letter: R runs or is ready to, S and D wait in a call, T and t are stopped. Null when it cannot be read. */
  state(): string | null {
    const text = this.#read(this.#stat);
    // The second field is the thread's name in parentheses, and a name may have spaces and parentheses in it.
    return text?.charAt(text.lastIndexOf(')') + 2) ?? null;
  }

  close(): void {
    closeSync(this.#schedstat);
    closeSync(this.#stat);
  }

  #read(file: number): string | null {
    try {
      const length = readSync(file, this.#buffer, 0, MOST_BYTES, 0);
      return length === 0 ? null : this.#buffer.toString('latin1', 0, length);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === undefined) throw error;
      return null;
    }
  }
}

/** Null for whatever reason the system has, of which there are many: no Linux, no such thread, no more files. */
function openFile(path: string): number | null {
  try {
    return openSync(path, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === undefined) throw error;
    return null;
  }
}
