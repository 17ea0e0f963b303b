import type { Load } from './load.ts';
import type { LoadSecond } from './results.ts';

/** Adds up the seconds that a load tells. */
export class FrameCount implements LoadSecond {
  frames = 0;
  comments = 0;
  bytes = 0;
  #check: () => void = () => undefined;

  constructor(load: Load) {
    load.onSecond = ({ frames, comments, bytes }) => {
      this.frames += frames;
      this.comments += comments;
      this.bytes += bytes;
      this.#check();
    };
  }

  /** Waits until `done` holds; looks once a second of the load. Rejects after `deadline` ms. */
  until(done: (count: LoadSecond) => boolean, deadline = 20_000): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`after ${deadline} ms: ${JSON.stringify(this)}`)), deadline);
      this.#check = () => {
        if (!done(this)) return;
        clearTimeout(timer);
        resolve();
      };
      this.#check();
    });
  }
}
