import { lookup } from 'node:dns/promises';
import { connect, type Socket } from 'node:net';
import { BenchError } from '../options.ts';
import type { LoadPlan, Seat } from './plan.ts';
import type { Tally } from './tally.ts';
import {
  CONTROL,
  clientFrame,
  FrameParser,
  type FrameReader,
  HandshakeReader,
  OPCODE,
  upgradeRequest,
} from './wire.ts';

/** Where a load goes. Plain data. */
export interface Target {
  readonly url: string;
  readonly port: number;
  /** The host's address, looked up once and not for every connection. */
  readonly address: string;
  readonly host: string;
}

/** Reads `ws://HOST:PORT` and looks the host up, IPv4 first as volley listens there; throws BenchError. */
export async function resolveTarget(url: string): Promise<Target> {
  const { protocol, hostname, host, port } = URL.canParse(url) ? new URL(url) : new URL('none:');
  if (protocol !== 'ws:') throw new BenchError(`${url} is not a ws:// address, and the bench speaks nothing else`);
  const name = hostname.replace(/^\[|\]$/g, '');
  const { address } = await lookup(name, { order: 'ipv4first' }).catch((cause: Error) => {
    throw new BenchError(`the host ${name} of ${url} cannot be found: ${cause.message}`, { cause });
  });
  return { url, port: port === '' ? 80 : Number(port), host, address };
}

/** Connections from one loopback address before the next is used: below Linux' range of local ports. */
const PER_ADDRESS = 20_000;

/** The source address of connection `index`; undefined leaves it to the system. */
export function sourceAddress({ address }: Target, index: number, connections: number): string | undefined {
  if (connections <= PER_ADDRESS || !address.startsWith('127.')) return undefined;
  return `127.0.0.${1 + Math.floor(index / PER_ADDRESS)}`;
}

const NORMAL_CLOSE = Buffer.from([1_000 >> 8, 1_000 & 0xff]);
/** No close code: the link was cut. */
const CUT = 1006;
/** The link was closed in order, but without a code. */
const NO_CODE = 1005;

/** A link that we have closed in order is cut if the server has not closed it after so many ms. */
const LINGER_MS = 5_000;

/** What is said on a connection once it is upgraded. */
export interface Viewer {
  start?(): void;
  onFrame(first: number, bytes: Buffer, start: number, end: number): void;
  afterRead?(): void;
}

/** What the connections of a thread share, and who is told how they fare. */
export interface ConnectionKit {
  readonly plan: LoadPlan;
  readonly target: Target;
  readonly tally: Tally;
  /** Every read of every connection goes into this. */
  readonly buffer: Buffer;
  makeViewer(connection: Connection): Viewer;
  onUp(connection: Connection): void;
  onFailed(connection: Connection, why: string): void;
  onClosed(connection: Connection, code: number): void;
}

/**
 * One WebSocket on a raw socket.
 *
 *   connecting ──101──▶ opening ──the viewer says so──▶ up ──▶ closed
 */
export class Connection implements FrameReader {
  readonly seat: Seat;
  /** When it was to be opened, benchNow() ms. */
  readonly dueAt: number;
  readonly startedAt: number;
  readonly #kit: ConnectionKit;
  readonly #socket: Socket;
  readonly #parser = new FrameParser(this);
  readonly #viewer: Viewer;
  readonly #handshake: HandshakeReader;
  #state: 'connecting' | 'opening' | 'up' | 'closed' = 'connecting';
  #error: NodeJS.ErrnoException | undefined;
  /** The round of measuring in which a frame came. */
  #heardIn = 0;

  /** Begins to connect. The kit is told of the outcome later, never in here. */
  constructor(seat: Seat, dueAt: number, kit: ConnectionKit) {
    const { plan, target, tally, buffer } = kit;
    tally.look();
    this.seat = seat;
    this.dueAt = dueAt;
    this.startedAt = tally.now;
    this.#kit = kit;
    this.#handshake = new HandshakeReader(plan.subprotocol);
    this.#viewer = kit.makeViewer(this);
    const localAddress = sourceAddress(target, seat.index, plan.connections);
    const onread = { buffer, callback: (length: number): boolean => this.#read(length) };
    const from = localAddress === undefined ? {} : { localAddress };
    const request = upgradeRequest(seat.path, target.host, plan.subprotocol, plan.extensions);
    this.#socket = connect({ host: target.address, port: target.port, ...from, onread, noDelay: true });
    this.#socket.on('connect', () => this.#socket.write(request));
    this.#socket.on('error', (error) => {
      this.#error = error;
    });
    this.#socket.on('close', () => this.#closedByServer(CUT));
  }

  get isUp(): boolean {
    return this.#state === 'up';
  }

  get isClosed(): boolean {
    return this.#state === 'closed';
  }

  get isUnheard(): boolean {
    return this.isUp && this.#heardIn !== this.#kit.tally.round;
  }

  /** Whether the time to come up counts: with churn, the first connecting is not mixed with it. */
  get isTimed(): boolean {
    return this.#kit.plan.churn === 0 || this.#kit.tally.isSinceBegin(this.dueAt);
  }

  /** Bytes that the system has not taken yet. */
  get buffered(): number {
    return this.#socket.writableLength;
  }

  write(bytes: Buffer): void {
    this.#socket.write(bytes);
  }

  becomeUp(): void {
    if (this.#state !== 'opening') return;
    this.#state = 'up';
    this.#kit.tally.heardAt = this.#kit.tally.now;
    if (this.seat.deaf) this.#socket.pause();
    this.#kit.onUp(this);
  }

  countFrame(): void {
    const { tally } = this.#kit;
    tally.counts.frames += 1;
    tally.heardAt = tally.now;
    if (tally.isMeasuring) this.#heardIn = tally.round;
  }

  /** Leaves: in order, with a close frame, or by cutting the link. The kit is not told. */
  leave(how: 'close' | 'cut'): void {
    this.#state = 'closed';
    if (how === 'close' && !this.#socket.connecting) {
      this.#socket.end(clientFrame(OPCODE.close, NORMAL_CLOSE));
      this.#socket.setTimeout(LINGER_MS, () => this.#socket.destroy());
    } else if (this.#socket.connecting || this.#socket.writableEnded) {
      this.#socket.destroy();
    } else {
      // With a reset the local port is free at once, and not a minute later. Not while the socket is shut down:
      // Node.js then forgets the handle, and the thread can never be ended.
      this.#socket.resetAndDestroy();
    }
  }

  expire(ms: number): void {
    const { path } = this.seat;
    const within = `within ${ms / 1_000} s`;
    if (this.#state === 'opening') this.#fail(`took ${path}, but sent no welcome ${within}`);
    else if (this.#socket.connecting) this.#fail(`did not answer ${within}`);
    else this.#fail(this.#describeAnswer() ?? `did not answer the handshake for ${path} ${within}`);
  }

  onFrame(first: number, bytes: Buffer, start: number, end: number): void {
    if (this.#state === 'closed') return;
    if ((first & CONTROL) === 0) this.#viewer.onFrame(first, bytes, start, end);
    else this.#takeControl(first & 0x0f, bytes.subarray(start, end));
  }

  onBroken(why: string): void {
    this.#kit.tally.addFault(`the server sent ${why}`);
    this.#closedByServer(CUT);
    this.#socket.destroy();
  }

  #read(length: number): boolean {
    const { tally, buffer } = this.#kit;
    if (this.#state === 'closed') return true;
    tally.look();
    if (this.#state === 'connecting') this.#shakeHands(length);
    else this.#parse(buffer, 0, length);
    this.#viewer.afterRead?.();
    return true;
  }

  #parse(bytes: Buffer, from: number, to: number): void {
    this.#kit.tally.counts.bytes += to - from;
    this.#parser.parse(bytes, from, to);
  }

  #shakeHands(length: number): void {
    const answer = this.#handshake.read(this.#kit.buffer, length);
    if (answer.kind === 'refused') this.#fail(`${answer.why}, asked for ${this.seat.path}`);
    if (answer.kind !== 'upgraded') return;
    this.#state = 'opening';
    this.#viewer.start?.();
    this.#parse(answer.bytes, answer.start, answer.end);
  }

  #takeControl(opcode: number, payload: Buffer): void {
    if (opcode === OPCODE.ping) this.#socket.write(clientFrame(OPCODE.pong, payload));
    if (opcode !== OPCODE.close) return;
    this.#socket.end(clientFrame(OPCODE.close, payload.subarray(0, 2)));
    this.#closedByServer(payload.length < 2 ? NO_CODE : payload.readUInt16BE(0));
  }

  #closedByServer(code: number): void {
    if (this.#state === 'connecting' || this.#state === 'opening') {
      const how = code === CUT ? (this.#error?.message ?? 'without a word') : `code ${code}`;
      this.#fail(this.#describeAnswer() ?? `closed a connection while it was being set up (${how})`);
    } else if (this.#state === 'up') {
      this.#state = 'closed';
      this.#kit.onClosed(this, code);
    }
  }

  #describeAnswer(): string | undefined {
    const answer = this.#state === 'connecting' ? this.#handshake.describeRest() : undefined;
    return answer && `${answer}, asked for ${this.seat.path}`;
  }

  /** @param what is wrong with the server, as the end of a sentence that begins with its address */
  #fail(what: string): void {
    const { url } = this.#kit.target;
    this.#state = 'closed';
    this.#socket.destroy();
    const known: Record<string, string> = {
      ECONNREFUSED: `nothing listens at ${url}`,
      EADDRNOTAVAIL: `no local port is left for another connection to ${url}`,
      EMFILE: 'the load generator may not open more files: raise the limit with `ulimit -n`',
      ENFILE: 'the system may not open more files',
    };
    this.#kit.onFailed(this, known[this.#error?.code ?? ''] ?? `${url} ${what}`);
  }
}
