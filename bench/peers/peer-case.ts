import { SUBPROTOCOLS } from '../../src/frames/codec.ts';

export const CASE_NAMES = ['small', 'large', 'spread'] as const;

export type CaseName = (typeof CASE_NAMES)[number];

/** What all contenders of a case do. */
export interface PeerCase {
  readonly name: CaseName;
  /** A heading, without a full stop. */
  readonly title: string;
  /** What one push holds. */
  readonly comments: number;
  /** Milliseconds between two pushes. */
  readonly every: number;
  /** What volley's viewers ask for. */
  readonly subprotocol: string;
  /** Viewers, as a multiple of what the command line says. */
  readonly crowd: number;
  /** What the ratio is of: server CPU a delivered frame, or the time from the first to the last viewer of a push. */
  readonly measure: 'cpu' | 'spread';
}

const [, MSGPACK, DEFLATE] = SUBPROTOCOLS;

export const CASES: Readonly<Record<CaseName, PeerCase>> = {
  small: {
    name: 'small',
    title: 'Small pushes: 20 comments, 10 times a second',
    comments: 20,
    every: 100,
    subprotocol: MSGPACK,
    crowd: 1,
    measure: 'cpu',
  },
  large: {
    name: 'large',
    title: 'Large pushes: 1,000 comments, twice a second',
    comments: 1_000,
    every: 500,
    subprotocol: DEFLATE,
    crowd: 1,
    measure: 'cpu',
  },
  spread: {
    name: 'spread',
    title: 'From the first to the last viewer of one push: 20 comments, once a second',
    comments: 20,
    every: 1_000,
    subprotocol: MSGPACK,
    crowd: 2.5,
    measure: 'spread',
  },
};

/** More different pushes than this would tell nothing new. */
const MOST_PUSHES = 100;

/** What a server is to push, and to how many. */
export interface PushOrder {
  readonly peerCase: PeerCase;
  readonly viewers: number;
  /** How many different pushes there are before the first comes again. */
  readonly pushes: number;
}

/**
 * As many different pushes as `seconds` hold: then all contenders have sent each of them once while they were measured,
 * wherever in the row they were when that began.
 */
export function countPushes({ every }: PeerCase, seconds: number): number {
  return Math.min(MOST_PUSHES, Math.max(1, Math.round((seconds * 1_000) / every)));
}

/** How many viewers a case has when the command line asks for `viewers`. */
export function countViewers({ crowd }: PeerCase, viewers: number): number {
  return Math.ceil(crowd * viewers);
}
