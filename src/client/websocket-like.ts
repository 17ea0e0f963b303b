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
