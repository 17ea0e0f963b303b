import type { BenchError } from '../bench-error.ts';

/** The server that is measured. */
export interface ServerTarget {
  /** `ws://HOST:PORT` */
  readonly viewerUrl: string;
  /** `http://HOST:PORT`, null where it is not known: then its figures are not, either. */
  readonly apiUrl: string | null;
  /** Null where the process is not the bench's own child. */
  readonly pid: number | null;
  /** Worker threads, null where they are not known. */
  readonly workers: number | null;
  /** Whether it runs on this machine. */
  readonly isLocal: boolean;
  /** For people. */
  readonly description: string;
  /** Called once when the server ends before {@link stop}. */
  onGone: ((why: BenchError) => void) | undefined;
  stop(): Promise<void>;
}
