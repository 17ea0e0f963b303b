import type { LoadPlan } from '../load/load-plan.ts';
import type { CaseName, PushOrder } from './peer-case.ts';
import type { Workshop } from './workshop.ts';

/** Its version, or why it cannot take part on this machine: a sentence without a full stop. */
type Preparation = { readonly version: string } | { readonly missing: string };

/** What a contender starts with. */
export interface StartOrder extends PushOrder {
  readonly workshop: Workshop;
  /** How long JavaScript runs before viewers are measured, beyond the warm-up that all have; ms. */
  readonly warmUpMs: number;
}

/** What the load must know of a server. */
export type Address = Pick<LoadPlan, 'url' | 'subprotocol' | 'protocol' | 'opaqueFrames' | 'hello' | 'extensions'> & {
  readonly path: string;
};

/** A server that pushes. */
export interface RunningContender {
  readonly address: Address;
  readonly pid: number;
  /** How long it is to run with viewers before it is measured, beyond the warm-up that all have; ms. */
  readonly warmUpMs: number;
  /** Resolves when the process ends, whoever ended it, with how. */
  readonly ended: Promise<string>;
  /** What spoils the figures though the load saw nothing of it, as the end of a sentence that begins with its name. */
  findFault?(): string | undefined;
  /** Ends it and waits for its end. */
  stop(): Promise<void>;
}

/** A server to hold volley against, or volley itself. */
export interface Contender {
  readonly name: string;
  /** What it is and how it sends, for the page: a sentence without a full stop. */
  readonly describe: string;
  readonly cases: readonly CaseName[];
  /** Builds what has to be built, once a run. */
  prepare(workshop: Workshop): Promise<Preparation>;
  /**
   * Starts the server; nothing is left running when it throws.
   * @throws BenchError when it does not start
   */
  start(order: StartOrder): Promise<RunningContender>;
}

/** The address of a server that knows nothing of volley's protocol. */
export function opaqueAddress(port: number, path = '/', other: Partial<Address> = {}): Address {
  const url = `ws://127.0.0.1:${port}`;
  return { url, path, subprotocol: '', protocol: 'opaque', hello: [], extensions: '', ...other };
}
