import type { CodecName } from '../../src/frames/codec.ts';

export const SERVER_STORES = ['memory', 'level'] as const;

export type ServerStore = (typeof SERVER_STORES)[number];

/** What one call of the bench is to do: the options, with the scenario's presets where none was given. */
export interface RunSettings {
  readonly scenario: string;
  /** Viewers. */
  readonly connections: number;
  /** Seconds that are measured. */
  readonly duration: number;
  readonly rooms: number;
  /** Comments a second a room. */
  readonly rate: number;
  /** Load threads. */
  readonly workers: number;
  readonly codec: CodecName;
  /** How many of the viewers send comments over their WebSocket; 0: they are posted over HTTP. */
  readonly senders: number;
  /** Seconds before measuring, with everything running. */
  readonly warmup: number;
  /** `ws://HOST:PORT` of a server that runs already; null: the bench starts one of its own. */
  readonly url: string | null;
  /** `http://HOST:PORT` of that server's API, null where it is not known. */
  readonly apiUrl: string | null;
  /** Worker counts of the own server: one run each. */
  readonly serverWorkers: readonly number[];
  /** Where the own server keeps batches: `level` in a directory that is removed afterwards. */
  readonly serverStore: ServerStore;
  /** Seconds of pushes that those who join in a storm have missed; 0: they are new and ask for history. */
  readonly behind: number;
  /** ms between two pushes of a room: what the own server is told, and what a running one is taken to have. */
  readonly interval: number;
  /** Path of the XML file that the comments come from. */
  readonly comments: string;
}

/** Settings that were given by option: a scenario presets the rest. */
export type GivenSettings = Partial<RunSettings>;
