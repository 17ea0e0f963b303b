import type { WebSocket } from 'uWebSockets.js';
import { CLOSE } from '../src/codes.ts';
import type { Codec } from '../src/frames/codec.ts';
import { isBinary, topicOf } from '../src/frames/codec.ts';
import type { JoinPoint } from '../src/shards/messages.ts';

/** Most answers that wait for the welcome. */
const MOST_HELD = 256;

/** How far a viewer has come: one word for what would be three flags. */
const JOINING = 0;
const COUNTED = 1;
const WELCOME = 2;
const DRAINING = 3;

/** What hangs on a uWebSockets.js socket: the viewer, and nothing else. */
export interface ViewerData {
  viewer: Viewer;
}

export type ViewerSocket = WebSocket<ViewerData>;

/**
 * One connection of this shard. There are many: every field is eight bytes a viewer.
 *
 *   joining ──welcome, backfill──▶ catching up ──drained, next step──▶ … ──live──▶ subscribed
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
  /** Comments of its own that main has not answered yet. */
  unanswered = 0;
  #socket: ViewerSocket | undefined;
  #stage: typeof JOINING | typeof COUNTED | typeof WELCOME | typeof DRAINING = JOINING;
  /** What it is to hear once it is welcome. */
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
    this.#stage = WELCOME;
    this.#socket?.send(text, false);
    for (const held of this.#held ?? []) this.#socket?.send(held, false);
    this.#held = undefined;
  }

  /** Sends a control message, not before the welcome. */
  sendText(text: string): void {
    if (this.#stage >= WELCOME) {
      this.#socket?.send(text, false);
      return;
    }
    this.#held ??= [];
    if (this.#held.length < MOST_HELD) this.#held.push(text);
    else this.close(CLOSE.FLOOD, 'too many messages before the welcome');
  }

  /** Sends a batch frame of this viewer's codec. */
  sendFrame(frame: Uint8Array): void {
    this.#socket?.send(frame, isBinary(this.codec));
  }

  /** Several sends, one system call. */
  cork(send: () => void): void {
    this.#socket?.cork(send);
  }

  /** The step of its backfill that was sent must leave the socket's buffer before the next is asked for. */
  drain(): void {
    this.#stage = DRAINING;
  }

  /** The buffer has shrunk: true when that was what the next step waits for. */
  drained(): boolean {
    if (this.#stage !== DRAINING || this.buffered > 0) return false;
    this.#stage = WELCOME;
    return true;
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
