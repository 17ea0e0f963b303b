import type { Load } from '../load/load.ts';
import type { LoadFigures } from '../load/load-figures.ts';
import { GeneratorMeter } from './generator-meter.ts';
import type { FeedFigures, HttpFeed } from './http-feed.ts';
import type { GeneratorFigures, Unknown } from './run-result.ts';
import { compareReadings, type ServerFigures } from './server-figures.ts';
import { readServer, type ServerReading } from './server-reading.ts';
import type { ServerTarget } from './server-target.ts';

/** What was measured between the opening and the closing of a window. */
export interface WindowFigures {
  readonly load: LoadFigures;
  readonly feed: FeedFigures | null;
  readonly server: ServerFigures | Unknown;
  /** Resident bytes of the server at the opening and at the closing. */
  readonly memory: { readonly from: number; readonly to: number } | Unknown;
  readonly generator: GeneratorFigures;
}

/** Why a server without `--api-url` has no figures. */
export const NO_API: Unknown = { unknown: 'no --api-url was given' };

/** A span of time in which load, feed, server and generator are measured together. */
export class MeasuredWindow {
  readonly #target: ServerTarget;
  readonly #load: Load;
  readonly #feed: HttpFeed | null;
  readonly #from: ServerReading | null;
  readonly #meter = new GeneratorMeter();

  private constructor(target: ServerTarget, load: Load, feed: HttpFeed | null, from: ServerReading | null) {
    this.#target = target;
    this.#load = load;
    this.#feed = feed;
    this.#from = from;
  }

  /**
   * Begins to measure.
   * @throws BenchError when the server's metrics cannot be read
   */
  static async open(target: ServerTarget, load: Load, feed: HttpFeed | null): Promise<MeasuredWindow> {
    await load.begin();
    feed?.begin();
    return new MeasuredWindow(target, load, feed, await readTarget(target));
  }

  /**
   * Ends the measuring.
   * @param others ends what else loaded the server meanwhile, for the generator's figures
   * @throws BenchError when the server's metrics cannot be read
   */
  async close(others: readonly LoadFigures[] = []): Promise<WindowFigures> {
    const to = await readTarget(this.#target);
    const load = await this.#load.end();
    const feed = this.#feed?.read() ?? null;
    const generator = this.#meter.read([load, ...others]);
    const known = this.#from !== null && to !== null ? { from: this.#from, to } : null;
    return {
      load,
      feed,
      generator,
      server: known === null ? NO_API : compareReadings(known.from, known.to),
      memory: known === null ? NO_API : { from: known.from.memory, to: known.to.memory },
    };
  }
}

function readTarget({ apiUrl, pid }: ServerTarget): Promise<ServerReading> | null {
  return apiUrl === null ? null : readServer(apiUrl, pid);
}
