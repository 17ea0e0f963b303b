import type { Sending } from '../load/load-plan.ts';
import type { RunContext } from './run-context.ts';
import type { RunResult } from './run-result.ts';
import type { GivenSettings, RunSettings } from './run-settings.ts';
import type { ServerTarget } from './server-target.ts';
import type { Shape } from './shape.ts';

/** Sentences on a result. */
interface Remarks {
  /** What was wrong, or limits what the figures say. */
  readonly warnings?: readonly string[];
  readonly notes?: readonly string[];
}

/** A named way to load a server. */
export interface Scenario {
  readonly name: string;
  /** For `--help`. */
  readonly summary: string;
  /** Values for options that were not given. */
  preset(given: GivenSettings): GivenSettings;
  /** One sentence on why it cannot run with these settings; undefined if it can. */
  check(settings: RunSettings): string | undefined;
  shape(settings: RunSettings): Shape;
  /** What a reader must know of how it was run, a sentence each. */
  describe(settings: RunSettings): readonly string[];
  /** What must be said of a result. */
  judge(run: RunResult, settings: RunSettings): Remarks;
  /** Runs it against one server in a way of its own. */
  readonly measure?: (target: ServerTarget, run: RunContext) => Promise<RunResult>;
}

/** Viewers watch, and comments come at `--rate`: what scenarios differ from. */
export const plain: Omit<Scenario, 'name' | 'summary'> = {
  preset: () => ({}),
  check: () => undefined,
  shape: (settings) => ({ sending: paceOf(settings), deaf: 0, churn: 0, serverArgs: [], others: 0, joins: false }),
  describe: () => [],
  judge: () => ({}),
};

/** Senders share what `--rate` says of all rooms. */
function paceOf({ senders, rate, rooms }: RunSettings): Sending {
  return senders === 0 ? { kind: 'none' } : { kind: 'paced', rate: (rate * rooms) / senders };
}
