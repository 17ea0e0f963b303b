import type { Histogram } from 'hdr-histogram-js';

/** What all connections received in one whole second. */
export interface LoadSecond {
  /** Messages with comments in them, a viewer. */
  readonly frames: number;
  /** Comments in those; 0 where frames are opaque. */
  readonly comments: number;
  /** Bytes on the wire without TCP/IP: WebSocket headers and payloads of every message. */
  readonly bytes: number;
}

/** What connections counted between `begin` and `end`. */
export interface LoadCounts {
  readonly frames: number;
  readonly comments: number;
  readonly bytes: number;
  /** Frames that a viewer should have had by the prev of a later one. */
  readonly lost: number;
  /** `skipped` messages. */
  readonly skipped: number;
  /** Frames whose seq was not above the one before. */
  readonly outOfOrder: number;
  /** What is wrong with what the server sent, since the connections were up: a sentence each, the first ten. */
  readonly faults: readonly string[];
  /** Connections that the server closed since all were up, by close code (1006 for a cut, 1005 for none given). */
  readonly closed: ReadonlyMap<number, number>;
  /** Connections that failed to come up again after churn, since that began. */
  readonly failedConnects: number;
  readonly sent: number;
  readonly acked: number;
  /** Refused comments by code. */
  readonly refused: ReadonlyMap<string, number>;
}

/** What a load measured between `begin` and `end`. Times in histograms are in µs. */
export interface LoadFigures extends LoadCounts {
  readonly seconds: number;
  readonly perSecond: readonly LoadSecond[];
  /** From when a comment was to be sent until a sampled viewer has read the frame that holds it. */
  readonly latency: Histogram;
  /**
   * From the first to the last viewer of the same batch (or opaque frame), one value for each that every steady viewer
   * of its path had.
   */
  readonly spread: Histogram;
  /**
   * Frames that by the end, a second after the first had them, not every steady viewer of their path had: they are in
   * no spread. Of opaque frames those whose push is known.
   */
  readonly incomplete: number;
  /** Steady viewers that had no frame at all, while others on their path had one a second or more before the end. */
  readonly starved: number;
  /** ms from the last frame (or the last coming up) that any connection had until the end. */
  readonly silentFor: number;
  /** From sending a comment to its ack. */
  readonly ack: Histogram;
  /**
   * To the welcome (volley) or the upgrade (opaque), from when the connection was due: at the start of the load that is
   * when the first was opened, however long this one had to wait for its turn; after churn, when it was to come back.
   * Every connection, those before `begin` too; with churn in the plan only those due since `begin`.
   */
  readonly connect: Histogram;
  /** The same connections until the welcome's end of backfill, where paths ask for history or a seq; volley only. */
  readonly caughtUp: Histogram;
  /** CPU of the load threads together, in cores, from `begin` to `end`. */
  readonly cpu: number;
  /** CPU of the load threads together, in cores, from the first `connect` of the load until all connections were up. */
  readonly connectCpu: number;
  /** CPU of the busiest load thread, in cores: near 1 it was the limit. */
  readonly busiest: number;
  /** The longest that a load thread's loop stood, in ms. */
  readonly worstDelay: number;
}

/** A thread that uses so much of a core has no more to give. */
export const BUSY_THREAD = 0.9;
