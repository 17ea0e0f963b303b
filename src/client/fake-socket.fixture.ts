import type { WebSocketLike } from './link.ts';

/** A WebSocket in the hands of a test, which plays the server. */
export class FakeSocket implements WebSocketLike {
  /** All that were made, oldest first. */
  static made: FakeSocket[] = [];
  binaryType = '';
  readyState = 0;
  onopen: ((event: unknown) => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: ((event: { code: number }) => void) | null = null;
  onerror: ((event: unknown) => void) | null = null;
  readonly url: URL;
  readonly protocol: string | undefined;
  readonly sent: Record<string, unknown>[] = [];
  readonly options: unknown;
  closedWith: number | undefined;

  constructor(url: string, protocols: string[], options?: unknown) {
    this.options = options;
    this.url = new URL(url);
    this.protocol = protocols[0];
    FakeSocket.made.push(this);
  }

  /** The newest; there must be one. */
  static get last(): FakeSocket {
    const socket = FakeSocket.made.at(-1);
    if (socket === undefined) throw new Error('no socket was made');
    return socket;
  }

  send(text: string): void {
    this.sent.push(JSON.parse(text));
  }

  close(code?: number): void {
    this.readyState = 3;
    this.closedWith ??= code;
  }

  /** The handshake is accepted. */
  accept(): void {
    this.readyState = 1;
    this.onopen?.({});
  }

  /** The server says something: an object goes as JSON. */
  say(message: Record<string, unknown> | string | ArrayBuffer): void {
    this.readyState = 1;
    const plain = typeof message === 'string' || message instanceof ArrayBuffer;
    this.onmessage?.({ data: plain ? message : JSON.stringify(message) });
  }

  welcome(seq: number, more: Record<string, unknown> = {}): void {
    this.say({ type: 'welcome', room: 'demo', seq, viewers: 1, interval: 1_000, ...more });
  }

  batch(seq: number, prev: number, texts: readonly string[] = ['x']): void {
    const plain = { user: '', name: '', mode: 'scroll', color: 0, size: 25 };
    const comments = texts.map((text, i) => ({ id: `${seq}.${i}`, ...plain, text, at: i }));
    this.say({ type: 'batch', seq, prev, at: 1_000, viewers: 1, comments });
  }

  /** The link ends. */
  end(code: number): void {
    this.readyState = 3;
    this.onclose?.({ code });
  }
}
