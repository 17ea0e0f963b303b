import type { RefusalCode } from '../codes.ts';
import { Durations } from './durations.ts';

/** What can fail behind the main thread's back without ending anything: docs/limits.md says what each does then. */
export const BACKGROUND_FAULTS = ['accept', 'sampler', 'pool'] as const;

export type BackgroundFault = (typeof BACKGROUND_FAULTS)[number];

/** Why the API closes a connection: docs/limits.md has the bounds. */
export const API_CUTS = ['connections', 'pipelined', 'slow_request', 'slow_answer', 'unsent'] as const;

export type ApiCut = (typeof API_CUTS)[number];

/**
 * What the main thread counts, as plain numbers: counting must cost nothing, so the metrics library sees them only
 * when somebody scrapes. All are totals since the start, but for `api`.
 */
export class Tally {
  /** Comments accepted, by the way they came. */
  commentsHttp = 0;
  commentsSocket = 0;
  /** Made up by `--demo`. */
  commentsDemo = 0;
  /** Comments and requests refused by the main thread, by code. */
  readonly refused = new Map<RefusalCode, number>();
  batches = 0;
  /** Frames encoded for pushes, by codec. */
  readonly framesEncoded: [number, number, number] = [0, 0, 0];
  /** Ring entries committed: one a push and codec in use. */
  pushes = 0;
  presences = 0;
  /** Ring entries that recall comments: one a push and codec in use. */
  recalls = 0;
  /** Comments recalled. */
  commentsRecalled = 0;
  ringBytes = 0;
  /** Slots in which a push found no room in the ring. */
  ringWaits = 0;
  /** Frames that uWebSockets.js cannot send from its cork buffer. */
  largeFrames = 0;
  /** Frames that no ring of this size can hold; their viewers see a gap. */
  oversizedFrames = 0;
  /** Frames encoded for viewers that catch up. */
  backfillFrames = 0;
  messagesToShards = 0;
  messagesFromShards = 0;
  shardRestarts = 0;
  /** From a room's fire to the store's answer, whichever it is. */
  readonly appendTimes = new Durations();
  /** From a room's fire to its commit to the ring: append, frames, and waiting for room included. */
  readonly pushTimes = new Durations();

  readonly backgroundFaults: Record<BackgroundFault, number> = { accept: 0, sampler: 0, pool: 0 };
  /** Connections to the API that were closed. */
  readonly apiCuts: Record<ApiCut, number> = {
    connections: 0,
    pipelined: 0,
    slow_request: 0,
    slow_answer: 0,
    unsent: 0,
  };
  /** What the API holds now: connections, bytes of answers not taken yet, bytes of bodies that are not whole yet. */
  readonly api = { connections: 0, unsentBytes: 0, bodyBytes: 0 };

  refuse(code: RefusalCode, count = 1): void {
    this.refused.set(code, (this.refused.get(code) ?? 0) + count);
  }
}
