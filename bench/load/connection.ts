import { lookup } from 'node:dns/promises';
import { connect, type Socket } from 'node:net';
import { BenchError } from '../bench-error.ts';
import type { LoadPlan, Seat } from './plan.ts';
import type { Tally } from './tally.ts';
import { clientFrame, FrameParser, type FrameReader, HandshakeReader, OPCODE, upgradeRequest } from './wire.ts';

/** Where a load goes. Plain data. */
export interface Target {
  /** As given, for messages. */
  readonly url: string;
  readonly port: number;
  /** The host's address, looked up once and not for every connection. */
  readonly address: string;
  /** Value of the Host header. */
  readonly host: string;
}

/**
 * Reads `ws://HOST:PORT` and looks the host up; IPv4 comes first, as volley listens there.
 * @throws BenchError for another kind of address, or an unknown host
 */
export async function resolveTarget(url: string): Promise<Target> {
  if (!URL.canParse(url)) throw new BenchError(`${url} is not an address like ws://127.0.0.1:9000`);
  const { protocol, hostname, host, port } = new URL(url);
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

const CONTROL = 0x08;
const NORMAL_CLOSE = Buffer.from([1_000 >> 8, 1_000 & 0xff]);
/** No close code: the link was cut. */
const CUT = 1006;
/** The link was closed in order, but without a code. */
const NO_CODE = 1005;

/** A link that we have closed in order is cut if the server has not closed it after so many ms. */
const LINGER_MS = 5_000;

/** What is said on a connection once it is upgraded. */
export interface Viewer {
  readonly keepsPayloads: boolean;
  /** Whether a frame came since measuring began. */
  readonly hasHeard: boolean;
  /** The server has agreed to the upgrade. */
  start(): void;
  /** A frame that is no control frame; see FrameReader. */
  onFrame(first: number, bytes: Buffer, start: number, end: number): void;
  /** All frames of a read were told. */
  afterRead(): void;
}

/** Is told how a connection fares. */
interface ConnectionOwner {
  onUp(connection: Connection): void;
  /** It did not come up; `why` is a sentence. */
  onFailed(connection: Connection, why: string): void;
  /** The server has closed it after it was up. */
  onClosed(connection: Connection, code: number): void;
}

/** What the connections of a thread share. */
export interface ConnectionKit {
  readonly plan: LoadPlan;
  readonly target: Target;
  readonly tally: Tally;
  /** Every read of every connection goes into this. */
  readonly buffer: Buffer;
  readonly owner: ConnectionOwner;
  makeViewer(connection: Connection): Viewer;
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
  /** When it was opened. */
  readonly startedAt: number;
  readonly keepsPayloads: boolean;
  readonly #kit: ConnectionKit;
  readonly #socket: Socket;
  readonly #parser: FrameParser;
  readonly #viewer: Viewer;
  #handshake: HandshakeReader | null;
  #state: 'connecting' | 'opening' | 'up' | 'closed' = 'connecting';
  #error: NodeJS.ErrnoException | undefined;

  /** Begins to connect. The owner is told of the outcome later, never in here. */
  constructor(seat: Seat, dueAt: number, kit: ConnectionKit) {
    const { plan, target, tally } = kit;
    tally.look();
    this.seat = seat;
    this.dueAt = dueAt;
    this.startedAt = tally.now;
    this.#kit = kit;
    this.#parser = new FrameParser(this);
    this.#handshake = new HandshakeReader(plan.subprotocol);
    this.#viewer = kit.makeViewer(this);
    this.keepsPayloads = this.#viewer.keepsPayloads;
    const localAddress = sourceAddress(target, seat.index, plan.connections);
    const onread = { buffer: kit.buffer, callback: (length: number): boolean => this.#read(length) };
    const { address: host, port } = target;
    const from = localAddress === undefined ? {} : { localAddress };
    const request = upgradeRequest(seat.path, target.host, plan.subprotocol, plan.extensions);
    this.#socket = connect({ host, port, ...from, onread, noDelay: true });
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

  /** Up without a frame since measuring began. */
  get isUnheard(): boolean {
    return this.isUp && !this.#viewer.hasHeard;
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

  /** The viewer has all that it needs. */
  becomeUp(): void {
    if (this.#state !== 'opening') return;
    this.#state = 'up';
    this.#kit.tally.heardAt = this.#kit.tally.now;
    if (this.seat.deaf) this.#socket.pause();
    this.#kit.owner.onUp(this);
  }

  /** Leaves: in order, with a close frame, or by cutting the link. The owner is not told. */
  leave(how: 'close' | 'cut'): void {
    this.#state = 'closed';
    if (how === 'cut' || this.#socket.connecting) {
      // With a reset the local port is free at once, and not a minute later. Not while the socket is shut down:
      // Node.js then forgets the handle, and the thread can never be ended.
      if (this.#socket.connecting || this.#socket.writableEnded) this.#socket.destroy();
      else this.#socket.resetAndDestroy();
      return;
    }
    this.#socket.end(clientFrame(OPCODE.close, NORMAL_CLOSE));
    this.#socket.setTimeout(LINGER_MS, () => this.#socket.destroy());
  }

  /** Gives up on a connection that is not up after `ms`. */
  expire(ms: number): void {
    const { url } = this.#kit.target;
    const within = `within ${ms / 1_000} s`;
    const answer = this.#handshake?.describeRest();
    if (answer !== undefined) this.#fail(`${url} ${answer}, asked for ${this.seat.path}`);
    else if (this.#socket.connecting) this.#fail(`${url} did not answer ${within}`);
    else if (this.#state === 'opening') this.#fail(`${url} took ${this.seat.path}, but sent no welcome ${within}`);
    else this.#fail(`${url} did not answer the handshake for ${this.seat.path} ${within}`);
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
    if (this.#handshake !== null) {
      this.#shakeHands(this.#handshake, length);
    } else {
      tally.bytes += length;
      this.#parser.parse(buffer, 0, length);
    }
    this.#viewer.afterRead();
    return true;
  }

  #shakeHands(handshake: HandshakeReader, length: number): void {
    const answer = handshake.read(this.#kit.buffer, length);
    if (answer.kind === 'refused') this.#fail(`${this.#kit.target.url} ${answer.why}, asked for ${this.seat.path}`);
    if (answer.kind !== 'upgraded') return;
    this.#handshake = null;
    this.#state = 'opening';
    this.#viewer.start();
    this.#kit.tally.bytes += answer.end - answer.start;
    this.#parser.parse(answer.bytes, answer.start, answer.end);
  }

  #takeControl(opcode: number, payload: Buffer): void {
    if (opcode === OPCODE.ping) this.#socket.write(clientFrame(OPCODE.pong, payload));
    if (opcode !== OPCODE.close) return;
    this.#socket.end(clientFrame(OPCODE.close, payload.subarray(0, 2)));
    this.#closedByServer(payload.length < 2 ? NO_CODE : payload.readUInt16BE(0));
  }

  #closedByServer(code: number): void {
    if (this.#state === 'closed') return;
    if (this.#state !== 'up') {
      this.#fail(this.#describeFailure(code));
      return;
    }
    this.#state = 'closed';
    this.#kit.owner.onClosed(this, code);
  }

  #fail(why: string): void {
    this.#state = 'closed';
    this.#socket.destroy();
    this.#kit.owner.onFailed(this, why);
  }

  #describeFailure(code: number): string {
    const { url } = this.#kit.target;
    switch (this.#error?.code) {
      case 'ECONNREFUSED':
        return `nothing listens at ${url}`;
      case 'EADDRNOTAVAIL':
        return `no local port is left for another connection to ${url}`;
      case 'EMFILE':
      case 'ENFILE':
        return 'the load generator may not open more files: raise the limit with `ulimit -n`';
      default:
    }
    const answer = this.#handshake?.describeRest();
    if (answer !== undefined) return `${url} ${answer}, asked for ${this.seat.path}`;
    const how = code === CUT ? (this.#error?.message ?? 'without a word') : `code ${code}`;
    return `${url} closed a connection while it was being set up (${how})`;
  }
}
