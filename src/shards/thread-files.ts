import { closeSync, openSync, readSync } from 'node:fs';

/** What the kernel has counted for a thread since it started, in ms. */
export interface ThreadTimes {
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
