/** What a server sees of its viewers when it restarts: connections of the SDK on a clock that is moved by hand. */
import type { Clock } from '../clock.ts';
import { seeded } from '../seeded.ts';
import { connect } from './index.ts';
import type { WebSocketLike } from './link.ts';

const WELCOME = JSON.stringify({ type: 'welcome', room: 'demo', seq: 0, viewers: 1, interval: 1_000 });

/** Time for many: timers lie in buckets of a millisecond. */
class CrowdClock implements Clock {
  #now = 0;
  readonly #timers = new Map<number, Set<() => void>>();

  now(): number {
    return this.#now;
  }

  unix(): number {
    return this.#now;
  }

  after(ms: number, run: () => void): () => void {
    const at = this.#now + Math.max(1, Math.ceil(ms));
    const due = this.#timers.get(at) ?? new Set();
    this.#timers.set(at, due.add(run));
    return () => due.delete(run);
  }

  advance(ms: number): void {
    for (const end = this.#now + ms; this.#now < end; ) {
      this.#now += 1;
      for (const run of this.#timers.get(this.#now) ?? []) run();
      this.#timers.delete(this.#now);
    }
  }
}

/** A server that is there or not, and its sockets. */
class Server {
  up = true;
  readonly clock: CrowdClock;
  readonly sockets = new Set<Socket>();
  /** When somebody got in. */
  readonly arrivals: number[] = [];

  constructor(clock: CrowdClock) {
    this.clock = clock;
  }

  /** Answers a handshake a millisecond later. */
  take(socket: Socket): void {
    this.clock.after(1, () => {
      if (!this.up) {
        socket.onclose?.({ code: 1006 });
        return;
      }
      this.arrivals.push(this.clock.now());
      this.sockets.add(socket);
      socket.readyState = 1;
      socket.onopen?.({});
      socket.onmessage?.({ data: WELCOME });
    });
  }

  goAway(code: number): void {
    this.up = false;
    this.arrivals.length = 0;
    const sockets = [...this.sockets];
    this.sockets.clear();
    for (const { onclose } of sockets) onclose?.({ code });
  }
}

class Socket implements WebSocketLike {
  binaryType = '';
  readyState = 0;
  onopen: ((event: unknown) => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: ((event: { code: number }) => void) | null = null;
  onerror: (() => void) | null = null;

  send(): void {}
  close(): void {}
}

/** How they come back, in ms from when the server is there again, and in parts of them all. */
interface Return {
  /** When 99 % of them are. */
  readonly within: number;
  /** The most in any second. */
  readonly busiest: number;
  /** Those of the first tenth of a second. */
  readonly first: number;
}

/** `viewers` watch, the server goes away with close code `code`, and is there again after `away` ms. */
export function restart(viewers: number, code: number, away: number): Return {
  const clock = new CrowdClock();
  const server = new Server(clock);
  class OfServer extends Socket {
    constructor() {
      super();
      server.take(this);
    }
  }
  const random = seeded(away + code);
  const fetch = (): Promise<never> => Promise.reject(new TypeError('nobody answers'));
  const rooms = Array.from({ length: viewers }, () =>
    connect({ url: 'ws://127.0.0.1:9000', room: 'demo', codec: 'json', WebSocket: OfServer, clock, random, fetch }),
  );
  clock.advance(10_000);
  if (server.sockets.size !== viewers) throw new Error(`only ${server.sockets.size} viewers got in`);
  server.goAway(code);
  clock.advance(away);
  server.up = true;
  const back = clock.now();
  clock.advance(11_000);
  for (const room of rooms) room.close();
  return {
    within: (server.arrivals[Math.ceil(0.99 * viewers) - 1] ?? Number.POSITIVE_INFINITY) - back,
    busiest: busiestSecond(server.arrivals) / viewers,
    first: server.arrivals.filter((at) => at - back < 100).length / viewers,
  };
}

/** Most of the arrivals, which rise, within any second. */
function busiestSecond(arrivals: readonly number[]): number {
  let first = 0;
  let most = 0;
  for (const [last, at] of arrivals.entries()) {
    while (at - (arrivals[first] ?? at) >= 1_000) first += 1;
    most = Math.max(most, last - first + 1);
  }
  return most;
}
