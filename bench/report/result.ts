import type { Histogram } from 'hdr-histogram-js';
import type { RunContext, WindowFigures } from '../run/window.ts';

export interface Unknown {
  readonly unknown: string;
}

export function isUnknown(value: object): value is Unknown {
  return 'unknown' in value;
}

/** A distribution of times, in µs, with its name in JSON and in a table. */
export interface Timing {
  readonly key: string;
  readonly title: string;
  readonly histogram: Histogram;
}

type Described = Pick<RunContext, 'label' | 'settings' | 'shape' | 'target'>;

/** What one run against one server measured: everything in the document and the text is made from this. */
export interface RunResult extends Described, Omit<WindowFigures, 'memory'> {
  readonly timings: readonly Timing[];
  /** Whether `load` saw every frame that the server's CPU went into; otherwise no cost per frame is known. */
  readonly sawAllFrames: boolean;
  /** Connections that were opened before measuring, and the seconds until the last was up. */
  readonly connects: { readonly count: number; readonly seconds: number };
  /** Resident bytes of the warm server before `viewers` connected, and at the end. */
  readonly memory: Readonly<Record<'before' | 'after' | 'viewers', number>> | Unknown;
  readonly warnings: readonly string[];
  readonly notes: readonly string[];
}

/** What a scenario measured: one run, or several to compare. */
export interface ScenarioResult {
  readonly runs: readonly RunResult[];
  readonly interrupted: boolean;
  readonly notes: readonly string[];
}
