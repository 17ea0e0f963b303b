/** A piece of work; it takes care of its own errors. */
export type Job = () => void | Promise<void>;

/**
 * Runs jobs one at a time, in the order in which they came: what is inflated takes its time, and nothing that came
 * later may pass it. While nothing waits, a job runs at once.
 */
export class OrderedJobs {
  #jobs: { readonly job: Job; readonly size: number }[] = [];
  #running = false;
  #size = 0;

  /** Jobs that have not begun. */
  get waiting(): number {
    return this.#jobs.length;
  }

  /** The sum of their sizes. */
  get size(): number {
    return this.#size;
  }

  /** @param size the bytes that the job keeps until it begins */
  add(job: Job, size = 0): void {
    this.#jobs.push({ job, size });
    this.#size += size;
    if (!this.#running) this.#run();
  }

  /** Forgets what has not begun. */
  clear(): void {
    this.#jobs = [];
    this.#size = 0;
  }

  #run(): void {
    this.#running = true;
    for (;;) {
      const next = this.#jobs.shift();
      if (next === undefined) break;
      this.#size -= next.size;
      const done = next.job();
      if (done !== undefined) {
        done.then(() => this.#run());
        return;
      }
    }
    this.#running = false;
  }
}
