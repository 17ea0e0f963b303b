import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Logger } from 'pino';
import { type Clock, systemClock } from '../clock.ts';
import { countRefused, type MainCounters, type MainName } from '../counters.ts';
import { writeProblem } from '../problem.ts';
import { RequestGate } from './request-gate.ts';
import { LEAST_PACE } from './stream.ts';

/** Time that an answer of any size may take to be read, in ms; beside it, a byte has the time that {@link LEAST_PACE} gives. */
const ANSWER_MS = 30_000;

/** Bytes of answers that may wait for their readers in all connections; with more, requests are refused `BUSY`. */
const MOST_UNSENT = 67_108_864;

/**
 * When the bound on connections or on unsent bytes is reached, a client that has held its part for so long without
 * getting on goes first, in ms: one that sends a request or reads an answer at once takes less.
 */
const HELD_MS = 2_000;

/** How often answers are looked at, in ms. */
const LOOK_MS = 1_000;

export interface ConnectionsOptions {
  readonly counters: MainCounters;
  readonly logger: Logger;
  /** Most connections now; no bound where left out. */
  readonly most?: (() => number) | undefined;
  readonly mostUnsent?: number;
  readonly clock?: Clock | undefined;
}

interface Connection {
  readonly socket: Socket;
  readonly gate: RequestGate;
  request: IncomingMessage | null;
  response: ServerResponse | null;
  /** When it came to where it is now, in the clock's ms. */
  since: number;
  /** When its answer must have been read, in the clock's ms. */
  due: number;
  /** Bytes of its answer that are its own. */
  unsent: number;
}

/** Bytes that are the same for many readers, so that none of them costs memory by not reading. */
const shared = new WeakSet<object>();

/** Says that `bytes` are kept anyway, whoever is sent them. */
export function shareBytes(bytes: Buffer): Buffer {
  shared.add(bytes);
  return bytes;
}

/**
 * All connections to the API, each of which is in one of these:
 *
 *   waiting ──head of a request──▶ handled ──answer made──▶ sending ──all of it taken──▶ waiting
 *      ▲                              └──answer is a stream──▶ streaming ──────────┘
 *      └── new
 *
 * None but `handled` lasts long by a client's will: `waiting` has Node's timeouts, `sending` a time by the answer's size,
 * streams have rules of their own. At the bound on connections the one that has waited longest makes room.
 */
export class ApiConnections {
  readonly #options: ConnectionsOptions;
  readonly #counters: MainCounters;
  readonly #clock: Clock;
  readonly #all = new Map<Socket, Connection>();
  /** The one that came first at the head, in each. */
  readonly #waiting = new Set<Connection>();
  readonly #handled = new Set<Connection>();
  readonly #sending = new Set<Connection>();
  #stopLooking: (() => void) | null = null;

  constructor(options: ConnectionsOptions) {
    this.#options = options;
    this.#counters = options.counters;
    this.#clock = options.clock ?? systemClock;
  }

  /** Takes a connection that Node has just accepted, or refuses it with `BUSY`. */
  admit(socket: Socket): void {
    const most = this.#options.most?.() ?? Number.POSITIVE_INFINITY;
    if (this.#all.size >= most && !this.#makeRoom()) {
      this.#counters.cutConnections += 1;
      countRefused(this.#counters, 'BUSY');
      socket.pause();
      writeProblem(socket, { code: 'BUSY', retryAfterMs: LOOK_MS });
      return;
    }
    const connection: Connection = {
      socket,
      gate: new RequestGate(socket, () => this.#cut(connection, 'cutPipelined')),
      request: null,
      response: null,
      since: this.#clock.now(),
      due: 0,
      unsent: 0,
    };
    this.#all.set(socket, connection);
    this.#waiting.add(connection);
    this.#counters.apiConnections = this.#all.size;
    socket.once('close', () => this.#gone(connection));
  }

  /** The head of a request has been read. */
  begin(request: IncomingMessage, response: ServerResponse): void {
    const connection = this.#all.get(request.socket);
    if (connection === undefined) return;
    connection.gate.begin(request, response);
    if (request.socket.destroyed) return;
    connection.request = request;
    connection.response = response;
    this.#move(connection, this.#handled);
    response.once('close', () => this.#taken(connection));
  }

  /**
   * An answer is handed over: `payload` is what Fastify sends. Its reader has 30 s and a second for each 16 KB.
   */
  answering(socket: Socket, payload: unknown): void {
    const connection = this.#all.get(socket);
    if (connection === undefined) return;
    const isText = typeof payload === 'string';
    if (!isText && !Buffer.isBuffer(payload) && payload) {
      this.#move(connection, null);
      return;
    }
    const bytes = isText || Buffer.isBuffer(payload) ? Buffer.byteLength(payload) : 0;
    connection.unsent = Buffer.isBuffer(payload) && shared.has(payload) ? 0 : bytes;
    this.#counters.apiUnsentBytes += connection.unsent;
    this.#move(connection, this.#sending);
    connection.due = connection.since + ANSWER_MS + (bytes / LEAST_PACE) * 1_000;
    this.#look();
  }

  /** Whether another answer may be made: those that are not read take less than they may, or one of them has been cut. */
  hasRoom(): boolean {
    const { mostUnsent = MOST_UNSENT } = this.#options;
    if (this.#counters.apiUnsentBytes < mostUnsent) return true;
    const [oldest] = this.#sending;
    if (oldest === undefined || this.#clock.now() - oldest.since < HELD_MS) return false;
    this.#cut(oldest, 'cutUnsent');
    return this.#counters.apiUnsentBytes < mostUnsent;
  }

  /** Whether the answer to what came last on `socket` has begun: nothing else may be written to it then. */
  isAnswering(socket: Socket): boolean {
    return this.#all.get(socket)?.response?.headersSent === true;
  }

  /** Counts a connection that Node's own timeouts end. */
  timedOut(): void {
    this.#counters.cutSlowRequest += 1;
  }

  /** Cuts a connection that waits, receives or sends for long already. */
  #makeRoom(): boolean {
    const [waiting] = this.#waiting;
    if (waiting !== undefined) return this.#cut(waiting, 'cutConnections');
    const latest = this.#clock.now() - HELD_MS;
    for (const connection of this.#handled) {
      if (connection.since > latest) break;
      if (connection.request?.complete === false) return this.#cut(connection, 'cutConnections');
    }
    const [sending] = this.#sending;
    return sending !== undefined && sending.since <= latest && this.#cut(sending, 'cutConnections');
  }

  #cut(connection: Connection, why: Extract<MainName, `cut${string}`>): true {
    this.#counters[why] += 1;
    connection.socket.destroy();
    // Its `close` comes later, and room is needed now.
    this.#gone(connection);
    return true;
  }

  #gone(connection: Connection): void {
    this.#move(connection, null);
    this.#release(connection);
    this.#all.delete(connection.socket);
    this.#counters.apiConnections = this.#all.size;
  }

  #taken(connection: Connection): void {
    this.#release(connection);
    connection.request = null;
    connection.response = null;
    this.#move(connection, this.#all.has(connection.socket) ? this.#waiting : null);
  }

  #release(connection: Connection): void {
    this.#counters.apiUnsentBytes -= connection.unsent;
    connection.unsent = 0;
  }

  #move(connection: Connection, to: Set<Connection> | null): void {
    for (const set of [this.#waiting, this.#handled, this.#sending]) set.delete(connection);
    connection.since = this.#clock.now();
    to?.add(connection);
  }

  /** Looks once a second, as long as there are answers to be read. */
  #look(): void {
    this.#stopLooking ??= this.#clock.after(LOOK_MS, () => {
      this.#stopLooking = null;
      const now = this.#clock.now();
      for (const connection of this.#sending) if (now > connection.due) this.#cutSlow(connection);
      if (this.#sending.size > 0) this.#look();
    });
  }

  #cutSlow(connection: Connection): void {
    this.#options.logger.info({ url: connection.request?.url }, 'an answer that was read too slowly was cut off');
    this.#cut(connection, 'cutSlowAnswer');
  }
}
