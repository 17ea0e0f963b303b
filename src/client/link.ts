import type { Clock } from '../clock.ts';
import { CODECS, type CodecName, SUBPROTOCOLS } from '../frames/codec.ts';
import { VolleyClientError } from './client-error.ts';
import { decodeFrame, inflate } from './frame-decoder.ts';
import { OrderedJobs } from './ordered-jobs.ts';
import { checkMessage, readMessage, type ServerMessage } from './server-message.ts';
import type { WebSocketConstructor, WebSocketLike } from './websocket-like.ts';

export interface LinkOptions {
  readonly url: string;
  readonly codec: CodecName;
  readonly WebSocket: WebSocketConstructor;
  readonly clock: Clock;
  /** Nothing heard for so many ms, from the first attempt on: the link is dead. */
  readonly staleAfter: number;
}

/** How a link ended by itself. */
export type LinkEnd =
  | { readonly kind: 'closed'; readonly code: number }
  | { readonly kind: 'stale' }
  | { readonly kind: 'unreadable'; readonly error: Error };

export interface LinkListener {
  /** A message, decoded, in the order of the wire. */
  message(message: ServerMessage): void;
  /** The last thing that is heard of a link; what came before the end has been handed over. */
  ended(end: LinkEnd): void;
}

const OPEN = 1;
const NORMAL = 1000;

/** One WebSocket, from its handshake to its end. Says nothing any more once it was dropped. */
export class Link {
  readonly #options: LinkOptions;
  readonly #listener: LinkListener;
  readonly #socket: WebSocketLike;
  readonly #jobs = new OrderedJobs();
  #dropped = false;
  #heardAt: number;
  #cancelWatch: () => void = () => {};

  /** Begins the handshake. Throws what the WebSocket's constructor throws. */
  constructor(options: LinkOptions, listener: LinkListener) {
    this.#options = options;
    this.#listener = listener;
    const socket = new options.WebSocket(options.url, [SUBPROTOCOLS[CODECS.indexOf(options.codec)] ?? '']);
    this.#socket = socket;
    socket.binaryType = 'arraybuffer';
    socket.onmessage = ({ data }: { data: unknown }) => this.#take(data);
    socket.onclose = ({ code }: { code: number }) => {
      this.#jobs.add(() => this.#end({ kind: 'closed', code }));
    };
    // Every error is followed by a close, which tells more; without a listener `ws` would throw it.
    socket.onerror = () => {};
    this.#heardAt = options.clock.now();
    this.#watch(options.staleAfter);
  }

  get open(): boolean {
    return !this.#dropped && this.#socket.readyState === OPEN;
  }

  send(text: string): void {
    this.#socket.send(text);
  }

  /** Ends it without a word to the listener; may be called twice. */
  drop(): void {
    if (this.#dropped) return;
    this.#dropped = true;
    this.#cancelWatch();
    this.#jobs.clear();
    this.#socket.onmessage = null;
    this.#socket.onclose = null;
    this.#socket.close(NORMAL);
  }

  /** Ends it if nothing was heard for too long: timers may have stood still while the page slept. */
  check(): void {
    const { clock, staleAfter } = this.#options;
    if (this.#dropped) return;
    const left = this.#heardAt + staleAfter - clock.now();
    if (left > 0) {
      this.#cancelWatch();
      this.#watch(left);
      return;
    }
    // There is nobody to say goodbye to; where it can be told, `ws` need not wait 30 s for an answer.
    this.#socket.terminate?.();
    this.#end({ kind: 'stale' });
  }

  #watch(ms: number): void {
    this.#cancelWatch = this.#options.clock.after(ms, () => this.check());
  }

  #take(data: unknown): void {
    this.#heardAt = this.#options.clock.now();
    this.#jobs.add(() => this.#handle(data));
  }

  #handle(data: unknown): void | Promise<void> {
    if (this.#options.codec === 'deflate' && data instanceof ArrayBuffer) {
      return inflate(data).then(
        (bytes) => this.#read(bytes),
        (error) => this.#giveUp(error),
      );
    }
    this.#read(data);
  }

  #read(data: unknown): void {
    let message: ServerMessage | null;
    try {
      message = readData(data);
    } catch (error) {
      this.#giveUp(error);
      return;
    }
    if (message !== null && !this.#dropped) this.#listener.message(message);
  }

  #giveUp(error: unknown): void {
    this.#end({ kind: 'unreadable', error: error instanceof Error ? error : new Error(String(error)) });
  }

  #end(end: LinkEnd): void {
    if (this.#dropped) return;
    this.drop();
    this.#listener.ended(end);
  }
}

function readData(data: unknown): ServerMessage | null {
  if (typeof data === 'string') return readMessage(data);
  if (data instanceof ArrayBuffer) return checkMessage(decodeFrame(data));
  throw new VolleyClientError('UNREADABLE', 'a message that is neither text nor bytes');
}
