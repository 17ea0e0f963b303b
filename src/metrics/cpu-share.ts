/** Looks without news for which the last share stands. */
const MOST_STALE = 2;

/**
 * A thread's share of a core, from its CPU seconds. A shard writes them once a second by a timer of its own, so that a
 * look now and then comes before the news: then the share is what it was, not nothing.
 */
export class CpuShare {
  #cpu: number;
  #share = 0;
  #stale = 0;

  constructor(cpu: number) {
    this.#cpu = cpu;
  }

  /** The share since the last look, `seconds` ago. A thread that was replaced begins again at 0 CPU seconds. */
  look(cpu: number, seconds: number): number {
    if (cpu === this.#cpu) {
      this.#stale += 1;
      if (this.#stale > MOST_STALE) this.#share = 0;
      return this.#share;
    }
    const used = cpu > this.#cpu ? cpu - this.#cpu : cpu;
    this.#cpu = cpu;
    this.#stale = 0;
    this.#share = Math.min(1, used / seconds);
    return this.#share;
  }
}
