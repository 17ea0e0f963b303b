import type { Histogram } from 'hdr-histogram-js';
import type { LoadFigures } from '../load/results.ts';
import type { FeedFigures } from '../run/feed.ts';
import type { RunSettings, Shape } from '../run/scenarios.ts';
import type { ServerFigures } from '../run/server-stats.ts';
import type { GeneratorFigures } from '../run/window.ts';

/** In place of figures that could not be had: why. */
export interface Unknown {
  readonly unknown: string;
}

export function isUnknown(value: object): value is Unknown {
  return 'unknown' in value;
}

/** A distribution of times, in µs. */
export interface Timing {
  /** Its name in JSON. */
  readonly key: string;
  /** Its name in a table. */
  readonly title: string;
  readonly histogram: Histogram;
}

/** What one run against one server measured: everything in the document and the text is made from this. */
export interface RunResult {
  /** Tells it from the other runs of a comparison. */
  readonly label: string;
  readonly settings: RunSettings;
  readonly shape: Shape;
  readonly target: {
    /** Worker threads of the own server; null for a server that ran already. */
    readonly workers: number | null;
    readonly isLocal: boolean;
    readonly description: string;
  };
  readonly timings: readonly Timing[];
  readonly load: LoadFigures;
  /** Whether `load` saw every frame that the server's CPU went into; otherwise no cost per frame is known. */
  readonly sawAllFrames: boolean;
  /** Connections that were opened before measuring, and the seconds until the last was up. */
  readonly connects: { readonly count: number; readonly seconds: number };
  /** Null where viewers send. */
  readonly feed: FeedFigures | null;
  readonly server: ServerFigures | Unknown;
  /** Resident bytes of the warm server before `viewers` connected, and at the end. */
  readonly memory: { readonly before: number; readonly after: number; readonly viewers: number } | Unknown;
  readonly generator: GeneratorFigures;
  /** What was wrong, or limits what the figures say, a sentence each. */
  readonly warnings: readonly string[];
  /** What a reader of the figures must know, a sentence each. */
  readonly notes: readonly string[];
}

/** What a scenario measured: one run, or several to compare. */
export interface ScenarioResult {
  readonly runs: readonly RunResult[];
  /** Ended by Ctrl-C before its time. */
  readonly interrupted: boolean;
  readonly notes: readonly string[];
}
