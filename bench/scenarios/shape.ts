import type { Sending } from '../load/load-plan.ts';

/** What the viewers of a run do, and what the own server is told for it. */
export interface Shape {
  readonly sending: Sending;
  /** So many viewers read nothing once they are up. */
  readonly deaf: number;
  /** Share of the viewers that leave and come back each second. */
  readonly churn: number;
  /** Flags of the own server beside `--workers` and `--interval`. */
  readonly serverArgs: readonly string[];
  /** Connections beside `--connections`. */
  readonly others: number;
  /** Whether the time to join belongs to what is measured. */
  readonly joins: boolean;
}
