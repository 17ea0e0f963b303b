import type { Clock } from '../clock.ts';
import { CODECS, type CodecName, SUBPROTOCOLS } from '../frames/codec.ts';
import type { ServerMessage } from '../frames/messages.ts';
import { VolleyClientError } from './client-error.ts';
import { decodeFrame, inflate } from './frame-decoder.ts';
import { checkMessage, readMessage } from './server-message.ts';

/**
 * What the SDK needs of a WebSocket: the browser's, Node's own from 22 on, and that of the `ws` package all have it.
 * Structural, so that neither the DOM's types nor those of `ws` are needed.
 */
export interface WebSocketLike {
  binaryType: string;
  /** 1 while it is open. */
  readonly readyState: number;
  // `never`, since each library's handlers take an event type of their own.
  onopen?: ((event: never) => void) | null;
  onmessage: ((event: never) => void) | null;
  onclose: ((event: never) => void) | null;
  onerror: ((event: never) => void) | null;
  send(text: string): void;
  close(code?: number): void;
  /** Cuts the link without a closing handshake; `ws` has it, browsers do not. */
  terminate?(): void;
}

/** What the `ws` package takes beside; a browser's WebSocket does not look at it. */
export interface WebSocketOptions {
  /** Bytes of the largest message; the link is cut before more of it is kept. */
  readonly maxPayload: number;
  readonly perMessageDeflate: false;
}

export type WebSocketConstructor = new (url: string, protocols: string[], options?: WebSocketOptions) => WebSocketLike;

export interface LinkOptions {
  readonly url: string;
  readonly codec: CodecName;
  readonly WebSocket: WebSocketConstructor;
  readonly clock: Clock;
  /** Nothing heard for so many ms, from the first attempt on: the link is dead. */
  readonly staleAfter: number;
  /** Bytes of the largest message, as it comes and inflated. */
  readonly maxMessage: number;
}

/** How a link ended by itself. */
export type LinkEnd =
  /** `opened`: the handshake was accepted before. */
  | { readonly kind: 'closed'; readonly code: number; readonly opened: boolean }
  | { readonly kind: 'stale' }
  /** What came is more than is taken, or cannot be read. */
  | { readonly kind: 'fault'; readonly error: VolleyClientError };

export interface LinkListener {
  /** A message, decoded, in the order of the wire. */
  message(message: ServerMessage): void;
  /** The last thing that is heard of a link; what came before the end has been handed over. */
  ended(end: LinkEnd): void;
}

const OPEN = 1;
const NORMAL = 1000;

/** Messages that wait to be inflated, and their bytes, as so many of the largest. A page that slept finds an hour of them. */
const MOST_WAITING = 10_000;
const MOST_WAITING_SIZE = 2;

/** A piece of work; it takes care of its own errors. */
type Job = () => void | Promise<void>;

/**
 * Runs jobs one at a time, in the order in which they came: what is inflated takes its time, and nothing that came
 * later may pass it. While nothing waits, a job runs at once.
 */
export class OrderedJobs {
  #jobs: { readonly job: Job; readonly size: number }[] = [];
  #running = false;
  #size = 0;

  /** Jobs that have not begun. */
  get waiting(): number {
    return this.#jobs.length;
  }

  /** The sum of their sizes. */
  get size(): number {
    return this.#size;
  }

  /** @param size the bytes that the job keeps until it begins */
  add(job: Job, size = 0): void {
    this.#jobs.push({ job, size });
    this.#size += size;
    if (!this.#running) this.#run();
  }

  /** Forgets what has not begun. */
  clear(): void {
    this.#jobs = [];
    this.#size = 0;
  }

  #run(): void {
    this.#running = true;
    for (;;) {
      const next = this.#jobs.shift();
      if (next === undefined) break;
      this.#size -= next.size;
      const done = next.job();
      if (done !== undefined) {
        done.then(() => this.#run());
        return;
      }
    }
    this.#running = false;
  }
}

/** One WebSocket, from its handshake to its end. Says nothing any more once it was dropped. */
export class Link {
  readonly #options: LinkOptions;
  readonly #listener: LinkListener;
  readonly #socket: WebSocketLike;
  readonly #jobs = new OrderedJobs();
  #dropped = false;
  #opened = false;
  #heardAt: number;
  #cancelWatch: () => void = () => {};

  /** Begins the handshake. Throws what the WebSocket's constructor throws. */
  constructor(options: LinkOptions, listener: LinkListener) {
    this.#options = options;
    this.#listener = listener;
    const { WebSocket, url, codec, maxMessage: maxPayload } = options;
    const protocol = SUBPROTOCOLS[CODECS.indexOf(codec)] ?? '';
    const socket = new WebSocket(url, [protocol], { maxPayload, perMessageDeflate: false });
    this.#socket = socket;
    socket.binaryType = 'arraybuffer';
    socket.onopen = () => {
      this.#opened = true;
    };
    socket.onmessage = ({ data }: { data: unknown }) => this.#take(data);
    socket.onclose = ({ code }: { code: number }) => {
      this.#jobs.add(() => this.#end({ kind: 'closed', code, opened: this.#opened }));
    };
    // Every error is followed by a close, which tells more; without a listener `ws` would throw it.
    socket.onerror = (event: { error?: { code?: unknown } } | undefined) => {
      if (event?.error?.code === WS_TOO_LARGE) this.#jobs.add(() => this.#giveUp(tooLarge(maxPayload)));
    };
    this.#heardAt = options.clock.now();
    this.#watch(options.staleAfter);
  }

  /** Milliseconds since anything was heard. */
  get silence(): number {
    return this.#options.clock.now() - this.#heardAt;
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
    const { staleAfter } = this.#options;
    if (this.#dropped) return;
    const left = staleAfter - this.silence;
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
    const { clock, maxMessage } = this.#options;
    this.#heardAt = clock.now();
    this.#opened = true;
    const size = sizeOf(data);
    if (size > maxMessage) this.#jobs.add(() => this.#giveUp(tooLarge(maxMessage)));
    else if (this.#jobs.waiting >= MOST_WAITING || this.#jobs.size + size > MOST_WAITING_SIZE * maxMessage) {
      this.#giveUp(new VolleyClientError('TOO_MANY_WAITING', 'messages come faster than they are inflated'));
    } else this.#jobs.add(() => this.#handle(data), size);
  }

  #handle(data: unknown): void | Promise<void> {
    const { codec, maxMessage } = this.#options;
    if (codec === 'deflate' && data instanceof ArrayBuffer) {
      return inflate(data, maxMessage).then(
        (bytes) => this.#read(bytes),
        (error) => this.#giveUp(error),
      );
    }
    this.#read(data);
  }

  /** Whatever a server has sent, nothing is thrown from here: that would be an uncaught error in a stranger's page. */
  #read(data: unknown): void {
    if (this.#dropped) return;
    try {
      const message = readData(data);
      if (message !== null) this.#listener.message(message);
    } catch (error) {
      this.#giveUp(error);
    }
  }

  #giveUp(cause: unknown): void {
    const known = cause instanceof VolleyClientError;
    const error = known ? cause : new VolleyClientError('UNREADABLE', `no frame: ${messageOf(cause)}`, { cause });
    this.#end({ kind: 'fault', error });
  }

  #end(end: LinkEnd): void {
    if (this.#dropped) return;
    this.drop();
    this.#listener.ended(end);
  }
}

/** The error of a `ws` client that was sent more than `maxPayload`. */
const WS_TOO_LARGE = 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH';

/** Bytes of a binary message, UTF-16 units of a text. */
function sizeOf(data: unknown): number {
  if (typeof data === 'string') return data.length;
  return data instanceof ArrayBuffer ? data.byteLength : 0;
}

function tooLarge(most: number): VolleyClientError {
  return new VolleyClientError('TOO_LARGE', `a message of over ${most} bytes`);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function readData(data: unknown): ServerMessage | null {
  if (typeof data === 'string') return readMessage(data);
  if (data instanceof ArrayBuffer) return checkMessage(decodeFrame(data));
  throw new VolleyClientError('UNREADABLE', 'a message that is neither text nor bytes');
}
