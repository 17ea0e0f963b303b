import type { Histogram } from 'hdr-histogram-js';
import type { LoadFigures } from '../load/load-figures.ts';
import type { FeedFigures } from './http-feed.ts';
import type { RunSettings } from './run-settings.ts';
import type { ServerFigures } from './server-figures.ts';
import type { Shape } from './shape.ts';

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

/** Resident memory of the server, in bytes. */
export interface MemoryFigures {
  /** Before the viewers connected, the server warm. */
  readonly before: number;
  /** At the end, the viewers connected. */
  readonly after: number;
  /** How many connected in between. */
  readonly viewers: number;
}

/** What generating the load cost, and how busy the machine was. CPU in cores. */
export interface GeneratorFigures {
  /** The whole process of the bench: all of its threads, V8's and libuv's too. */
  readonly totalCores: number;
  /** All load threads together. */
  readonly threadsCores: number;
  readonly busiestCores: number;
  /** The longest that a load thread's loop stood, in ms. */
  readonly worstDelay: number;
  /** The bench's main thread: it posts the comments that come over HTTP. */
  readonly mainCores: number;
  /** Cores of this machine that were busy, whoever used them. */
  readonly machineBusyCores: number;
  readonly machineCores: number;
}

/** What one run against one server measured. */
export interface RunResult {
  /** What tells it from the other runs of a comparison. */
  readonly label: string;
  /** What was asked for. */
  readonly settings: RunSettings;
  readonly shape: Shape;
  /** Worker threads of the own server; null for a server that ran already. */
  readonly serverWorkers: number | null;
  /** Whether the server ran on this machine. */
  readonly serverIsLocal: boolean;
  /** The server, for people. */
  readonly serverDescription: string;
  /** Ended by Ctrl-C before its time. */
  readonly interrupted: boolean;
  readonly timings: readonly Timing[];
  readonly load: LoadFigures;
  /** Whether `load` saw every frame that the server's CPU went into; else no cost a frame can be told. */
  readonly sawAllFrames: boolean;
  /** Connections that were opened before measuring, and the seconds until the last was up. */
  readonly connects: { readonly count: number; readonly seconds: number };
  /** Null where viewers send. */
  readonly feed: FeedFigures | null;
  readonly server: ServerFigures | Unknown;
  readonly memory: MemoryFigures | Unknown;
  readonly generator: GeneratorFigures;
  /** What was wrong, or limits what the figures say, a sentence each. */
  readonly warnings: readonly string[];
  /** What a reader of the figures must know, a sentence each. */
  readonly notes: readonly string[];
}

/** What a scenario measured: one run, or several to compare. */
export interface ScenarioResult {
  readonly runs: readonly RunResult[];
  readonly interrupted: boolean;
  readonly notes: readonly string[];
}
