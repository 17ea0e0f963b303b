/** What the SDK throws, or rejects a `send` with. A comment that the server refused is no error: it is a value. */
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
  | 'UNREADABLE';

/** An error of the SDK, to be told by its `code`. */
export class VolleyClientError extends Error {
  readonly code: ClientErrorCode;

  constructor(code: ClientErrorCode, detail: string, options?: { cause?: unknown }) {
    super(detail, options);
    this.name = 'VolleyClientError';
    this.code = code;
  }
}
