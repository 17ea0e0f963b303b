/**
 * What the SDK needs of a WebSocket: the browser's, Node's own from 22 on, and that of the `ws` package all have it.
 * Structural, so that neither the DOM's types nor those of `ws` are needed.
 */
export interface WebSocketLike {
  binaryType: string;
  /** 1 while it is open. */
  readonly readyState: number;
  // `never`, since each library's handlers take an event type of their own.
  onmessage: ((event: never) => void) | null;
  onclose: ((event: never) => void) | null;
  onerror: ((event: never) => void) | null;
  send(text: string): void;
  close(code?: number): void;
  /** Cuts the link without a closing handshake; `ws` has it, browsers do not. */
  terminate?(): void;
}

export type WebSocketConstructor = new (url: string, protocols: string[]) => WebSocketLike;
