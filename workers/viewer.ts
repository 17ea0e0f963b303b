import { CLOSE } from '../src/codes.ts';
import { type Codec, isBinary, topicOf } from '../src/frames/codec.ts';
import type { JoinPoint } from '../src/shards/messages.ts';
import type { Traffic } from './traffic.ts';
import type { WebSocket } from './uws.ts';

/** Most answers that wait for the welcome, or for the end of a frame in pieces. */
const MOST_HELD = 256;

/** A message over 16 KB uWebSockets.js first copies into a buffer of the socket's own, whatever the socket takes. */
export const PIECE_BYTES = 16_000;

/** How far a viewer has come: one word for what would be three flags. */
const JOINING = 0;
const COUNTED = 1;
const IN_PIECES = 2;
const WELCOME = 3;

/** What hangs on a uWebSockets.js socket: the viewer, and nothing else. */
export interface ViewerData {
  viewer: Viewer;
}

/** Messages in fragments, which the types of uws-pack leave out. Each gives what `send` does. */
interface FragmentSocket {
  sendFirstFragment(fragment: Uint8Array, isBinary: boolean): number;
  sendFragment(fragment: Uint8Array): number;
  sendLastFragment(fragment: Uint8Array): number;
}

export type ViewerSocket = WebSocket<ViewerData> & FragmentSocket;

/**
 * One connection of this shard. There are many: every field is eight bytes a viewer.
 *
 *   joining ──posted to main──▶ counted ──welcome──▶ catching up ⇄ in pieces … ──subscribed──▶ live
 *
 * From `close` on, whoever closed, the socket is gone and every call does nothing.
 */
export class Viewer {
  readonly room: string;
  readonly codec: Codec;
  /** Where it stands; dropped once it is live. */
  point: JoinPoint | undefined;
  /** Where it stands in its shard's {@link ViewerList}, -1 while it is in none. */
  place = -1;
  /** What it has sent; there once it has sent something. */
  traffic: Traffic | undefined;
  #socket: ViewerSocket | undefined;
  #stage: typeof JOINING | typeof COUNTED | typeof IN_PIECES | typeof WELCOME = JOINING;
  /** What it is to hear once nothing stands in the way. */
  #held: string[] | undefined;

  constructor(room: string, codec: Codec, point: JoinPoint) {
    this.room = room;
    this.codec = codec;
    this.point = point;
  }

  /** The connection is there. Called once. */
  open(socket: ViewerSocket): void {
    this.#socket = socket;
  }

  get closed(): boolean {
    return this.#socket === undefined;
  }

  /** Bytes that the socket has not taken yet. */
  get buffered(): number {
    return this.#socket?.getBufferedAmount() ?? 0;
  }

  /** True once its join was posted to main, which counts it as present from then on. */
  get counted(): boolean {
    return this.#stage !== JOINING;
  }

  /** Its join is posted now. */
  count(): void {
    if (this.#stage === JOINING) this.#stage = COUNTED;
  }

  /** Sends the first message of all, and then what had to wait for it. */
  welcome(text: string): void {
    this.#socket?.send(text, false);
    this.#beFree();
  }

  #beFree(): void {
    this.#stage = WELCOME;
    for (const held of this.#held ?? []) this.#socket?.send(held, false);
    this.#held = undefined;
  }

  /** Sends a control message: not before the welcome, and not between the pieces of a frame. */
  sendText(text: string): void {
    if (this.#stage >= WELCOME) {
      this.#socket?.send(text, false);
      return;
    }
    this.#held ??= [];
    if (this.#held.length < MOST_HELD) this.#held.push(text);
    else this.close(CLOSE.FLOOD, 'too many messages before they could be answered');
  }

  /** Sends a batch frame of this viewer's codec. */
  sendFrame(frame: Uint8Array): void {
    this.#socket?.send(frame, isBinary(this.codec));
  }

  /** Sends the piece of a frame that begins at `offset`; gives where the next one begins. */
  sendPiece(frame: Uint8Array, offset: number): number {
    const end = Math.min(frame.length, offset + PIECE_BYTES);
    const piece = frame.subarray(offset, end);
    if (offset === 0) {
      this.#stage = IN_PIECES;
      this.#socket?.sendFirstFragment(piece, isBinary(this.codec));
    } else if (end < frame.length) {
      this.#socket?.sendFragment(piece);
    } else {
      this.#socket?.sendLastFragment(piece);
      this.#beFree();
    }
    return end;
  }

  /** Sends a ping, which the client answers with a pong of the same payload once it has read what was sent before. */
  ping(payload: string): void {
    this.#socket?.ping(payload);
  }

  /** Several sends, one system call. */
  cork(send: () => void): void {
    this.#socket?.cork(send);
  }

  /** From now on it gets what is published to its room. */
  subscribe(): void {
    this.point = undefined;
    this.#socket?.subscribe(topicOf(this.codec, this.room));
  }

  /** Nothing that is published reaches it any more. */
  unsubscribe(): void {
    this.#socket?.unsubscribe(topicOf(this.codec, this.room));
  }

  /**
   * Closes with a code; what is buffered goes out before, if the client reads. Over the backpressure limit
   * uWebSockets.js drops the code and only ends the link. May be called twice.
   */
  close(code: number, reason: string): void {
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.end(code, reason);
  }

  /** Cuts the link, whatever is buffered. */
  cut(): void {
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.close();
  }

  /** The connection is gone: uWebSockets.js forbids any further call on the socket. */
  gone(): void {
    this.#socket = undefined;
  }
}

/**
 * The viewers of a shard, in no order. Each knows its place in the array, so that one that leaves takes no search: a
 * word or two a viewer, where a Set takes seven and leaves its outgrown tables to the garbage collector.
 */
export class ViewerList {
  readonly #viewers: Viewer[] = [];

  /** Takes in a viewer that is in no list. */
  add(viewer: Viewer): void {
    viewer.place = this.#viewers.push(viewer) - 1;
  }

  /** Takes a viewer out; false where it was not in here. The last one gets its place. */
  delete(viewer: Viewer): boolean {
    const { place } = viewer;
    if (this.#viewers[place] !== viewer) return false;
    const last = this.#viewers.pop();
    if (last !== undefined && last !== viewer) {
      this.#viewers[place] = last;
      last.place = place;
    }
    viewer.place = -1;
    return true;
  }

  /** All of them as they are now: uWebSockets.js may tell of a close while it is being asked for. */
  all(): readonly Viewer[] {
    return [...this.#viewers];
  }
}
