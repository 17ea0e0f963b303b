/** A piece of work; it takes care of its own errors. */
export type Job = () => void | Promise<void>;

/**
 * Runs jobs one at a time, in the order in which they came: what is inflated takes its time, and nothing that came
 * later may pass it. While nothing waits, a job runs at once.
 */
export class OrderedJobs {
  #jobs: Job[] = [];
  #running = false;

  add(job: Job): void {
    this.#jobs.push(job);
    if (!this.#running) this.#run();
  }

  /** Forgets what has not begun. */
  clear(): void {
    this.#jobs = [];
  }

  #run(): void {
    this.#running = true;
    for (;;) {
      const job = this.#jobs.shift();
      if (job === undefined) break;
      const done = job();
      if (done !== undefined) {
        done.then(() => this.#run());
        return;
      }
    }
    this.#running = false;
  }
}
