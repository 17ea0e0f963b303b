import { inflateRawSync } from 'node:zlib';
import { WebSocket } from 'ws';
import type { Comment } from '../comment.ts';
import { CODECS, type CodecName, SUBPROTOCOLS } from '../frames/codec.ts';
import { decodeMsgpackFrame } from '../frames/codecs.ts';
import type { BatchMessage } from '../frames/messages.ts';

/** Any message of the server, a batch decoded whatever the codec. */
export type ServerMessage = { type: string } & Record<string, unknown>;

export interface ViewerClientOptions {
  /** Left out: no subprotocol is offered. */
  readonly codec?: CodecName;
  /** The query string, with its `?`. */
  readonly query?: string;
}

/** A viewer on the `ws` client that keeps everything it hears and checks that nothing comes twice or out of order. */
export class ViewerClient {
  readonly socket: WebSocket;
  readonly messages: ServerMessage[] = [];
  readonly comments: Comment[] = [];
  /** The seq of the last batch, or of the welcome. */
  seq = 0;
  /** What broke the promise of the protocol; empty in every good run. */
  readonly faults: string[] = [];
  readonly closed: Promise<{ code: number; reason: string }>;
  readonly opened: Promise<void>;
  readonly #codec: CodecName | undefined;
  #from: number | undefined;
  #waiting: (() => void)[] = [];
  #isClosed = false;

  /** `base` is `ws://HOST:PORT`. */
  constructor(base: string, room: string, options: ViewerClientOptions = {}) {
    this.#codec = options.codec;
    const protocols = options.codec === undefined ? [] : [SUBPROTOCOLS[CODECS.indexOf(options.codec)] ?? ''];
    this.socket = new WebSocket(`${base}/rooms/${room}${options.query ?? ''}`, protocols, {
      perMessageDeflate: false,
    });
    const since = new URLSearchParams(options.query).get('since');
    this.#from = since === null ? undefined : Number(since);
    this.socket.on('message', (data: Buffer, isBinary) => this.#take(data, isBinary));
    this.opened = new Promise((resolve, reject) => {
      this.socket.once('open', resolve);
      this.socket.once('error', reject);
    });
    this.opened.catch(() => undefined);
    this.closed = new Promise((resolve) => {
      this.socket.once('close', (code, reason) => {
        this.#isClosed = true;
        resolve({ code, reason: reason.toString() });
        this.#notify();
      });
    });
  }

  /** Waits until `done` holds. Rejects after `deadline` ms, or when the link closes first. */
  async until(done: () => boolean, deadline = 15_000): Promise<void> {
    const end = Date.now() + deadline;
    while (!done()) {
      if (this.#isClosed) throw new Error('closed before that happened');
      if (Date.now() > end) throw new Error(`not within ${deadline} ms; last: ${JSON.stringify(this.messages.at(-1))}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 100);
        this.#waiting.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }

  /** Waits for the first message that `wanted` holds for, come before or not. */
  async message(wanted: (message: ServerMessage) => boolean, deadline = 15_000): Promise<ServerMessage> {
    await this.until(() => this.messages.some(wanted), deadline);
    return this.messages.find(wanted) as ServerMessage;
  }

  welcome(): Promise<ServerMessage> {
    return this.message((message) => message.type === 'welcome');
  }

  send(message: unknown): void {
    this.socket.send(typeof message === 'string' || Buffer.isBuffer(message) ? message : JSON.stringify(message));
  }

  async close(): Promise<void> {
    this.socket.close();
    await this.closed;
  }

  #take(data: Buffer, isBinary: boolean): void {
    const message = isBinary ? this.#decode(data) : (JSON.parse(data.toString()) as ServerMessage);
    if (this.messages.length === 0 && message.type !== 'welcome') this.faults.push(`${message.type} before welcome`);
    this.messages.push(message);
    if (message.type === 'welcome') {
      const welcome = message as unknown as { seq: number; reset?: boolean; gap?: { to: number } };
      if (this.#from === undefined) this.seq = welcome.seq;
      else this.seq = welcome.reset ? 0 : (welcome.gap?.to ?? this.#from);
    } else if (message.type === 'batch') {
      this.#takeBatch(message as unknown as BatchMessage);
    }
    this.#notify();
  }

  #takeBatch(batch: BatchMessage): void {
    if (batch.prev !== this.seq) this.faults.push(`prev ${batch.prev} after seq ${this.seq}`);
    if (batch.seq <= this.seq) this.faults.push(`seq ${batch.seq} after ${this.seq}`);
    this.seq = batch.seq;
    this.comments.push(...batch.comments);
  }

  #decode(data: Buffer): ServerMessage {
    const frame = this.#codec === 'deflate' ? inflateRawSync(data) : data;
    return decodeMsgpackFrame(frame) as unknown as ServerMessage;
  }

  #notify(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const go of waiting) go();
  }
}
