/** What the SDK throws, tells as `fault`, or rejects a `send` with. A comment that the server refused is a value instead. */
export type ClientErrorCode =
  /** The link was lost before the answer came: the comment may be stored or not. It is not sent again. */
  | 'CONNECTION_LOST'
  /** There is no link to send on at this moment. The comment was not sent. */
  | 'NOT_CONNECTED'
  /** `close()` was called. */
  | 'CLOSED'
  /** This JavaScript has no WebSocket, and none was given. */
  | 'NO_WEBSOCKET'
  /** An option of `connect` cannot be. */
  | 'OPTION_INVALID'
  /** What came from the server is no message of protocol v1. */
  | 'UNREADABLE'
  /** A message is over `maxMessage`, as it came or inflated, or has more values than any push. */
  | 'TOO_LARGE'
  /** Messages come faster than they can be inflated. */
  | 'TOO_MANY_WAITING'
  /** The server has made this client open one link after the other. */
  | 'TOO_MANY_LINKS';

/** An error of the SDK. Decide by its `code`. */
export class VolleyClientError extends Error {
  readonly code: ClientErrorCode;

  constructor(code: ClientErrorCode, detail: string, options?: { cause?: unknown }) {
    super(detail, options);
    this.name = 'VolleyClientError';
    this.code = code;
  }
}

/** Throws `error` from a turn of its own: it is uncaught, as in any event listener, and stops nothing here. */
export function throwLater(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}
