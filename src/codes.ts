/**
 * Every code that volley hands to anybody: refusals (values), faults (thrown) and WebSocket close codes.
 * docs/protocol.md lists them; `npm run lint` checks the list against this file.
 */

/**
 * A refusal says why one request or one comment was not taken. It is a value, never thrown: bad input is normal.
 * `status` is the HTTP status that the API answers with; `message` is the sentence a client sees.
 */
export const REFUSALS = {
  NOT_JSON: { status: 400, message: 'not valid JSON' },
  NOT_UTF8: { status: 400, message: 'not valid UTF-8' },
  NOT_AN_OBJECT: { status: 400, message: 'a comment must be a JSON object' },
  EMPTY_ARRAY: { status: 400, message: 'the array holds no comment' },
  TOO_MANY: { status: 413, message: 'more than 1,000 comments in one request' },
  TOO_LARGE: { status: 413, message: 'larger than this server takes' },
  TEXT_INVALID: {
    status: 400,
    message: 'text is missing, empty, too long, or has a character that is not allowed',
  },
  MODE_INVALID: { status: 400, message: 'mode must be "scroll", "top" or "bottom"' },
  COLOR_INVALID: { status: 400, message: 'color must be a whole number from 0 to 16777215' },
  SIZE_INVALID: { status: 400, message: 'size must be a whole number of pixels from 1 to 255' },
  USER_INVALID: { status: 400, message: 'user must be a string of at most 64 code points without control characters' },
  NAME_INVALID: { status: 400, message: 'name must be a string of at most 32 code points without control characters' },
  EXTRA_INVALID: { status: 400, message: 'extra must be a string of at most 512 bytes of UTF-8' },
  REF_INVALID: { status: 400, message: 'ref must be a string of 1 to 64 characters' },
  SINCE_INVALID: { status: 400, message: 'since must be a whole number, 0 or more (over HTTP also an id like 42.7)' },
  HISTORY_INVALID: { status: 400, message: 'history must be a whole number, 0 or more' },
  UNTIL_INVALID: { status: 400, message: 'until must be a whole number or an id like 42.7' },
  LIMIT_INVALID: { status: 400, message: 'limit must be a whole number from 1 to 1000 (from 1 in an export)' },
  ORDER_INVALID: { status: 400, message: 'order must be asc or desc, and asc for subtitles and XML' },
  AFTER_INVALID: { status: 400, message: 'after must be the next of a page of rooms, like 12:lobby' },
  FORMAT_INVALID: { status: 400, message: 'format must be json, ndjson, xml or ass' },
  ORIGIN_INVALID: { status: 400, message: 'origin must be a time in Unix ms' },
  TIME_INVALID: { status: 400, message: 'time must be a number of seconds from 0 to 9999999999' },
  ID_INVALID: { status: 400, message: 'the id of a comment looks like 42.7' },
  WAIT_INVALID: { status: 400, message: 'wait can only be "stored"' },
  UNKNOWN_SUBPROTOCOL: {
    status: 400,
    message: 'none of the offered subprotocols is known: volley.v1.json, volley.v1.msgpack, volley.v1.msgpack.deflate',
  },
  UNKNOWN_TYPE: { status: 400, message: 'unknown message type; a viewer may send "comment"' },
  BINARY_MESSAGE: { status: 400, message: 'a viewer sends JSON text, never binary messages' },
  ROOM_NAME_INVALID: { status: 404, message: 'a room name has 1 to 64 characters of A-Z, a-z, 0-9 and . _ : -' },
  COMMENT_NOT_FOUND: { status: 404, message: 'there is no such comment, or no longer' },
  NOT_FOUND: { status: 404, message: 'nothing is served here' },
  METHOD_NOT_ALLOWED: { status: 405, message: 'this path takes other methods, which Allow names' },
  UNSUPPORTED_MEDIA_TYPE: { status: 415, message: 'the body must be sent as application/json' },
  BAD_REQUEST: { status: 400, message: 'the request could not be read' },
  REQUEST_TIMEOUT: { status: 408, message: 'the request did not arrive whole in time' },
  EXPECTATION_FAILED: { status: 417, message: 'the only expectation that this server meets is 100-continue' },
  HEADERS_TOO_LARGE: { status: 431, message: 'the request line and headers are more than 16 KB' },
  HOST_UNKNOWN: {
    status: 421,
    message:
      'not a name of this server, which serves its own machine only: use localhost, or name it in --cors-origins',
  },
  UPGRADE_REQUIRED: { status: 426, message: 'a room is a WebSocket (version 13): connect with a WebSocket client' },
  ROOM_BUSY: { status: 429, message: 'the room has as many comments waiting as it may' },
  RATE_LIMITED: { status: 429, message: 'more messages at once than this server reads; they were dropped' },
  BUSY: { status: 503, message: 'the server has as much waiting as it may' },
  SHUTTING_DOWN: { status: 503, message: 'the server is shutting down' },
  NOT_READY: { status: 503, message: 'not every shard is listening' },
  STORE_FAILED: { status: 503, message: 'the store could not be read or written' },
  STORE_UNKNOWN: { status: 503, message: 'whether this is stored is not known: it may still appear' },
  STORE_STALLED: { status: 503, message: 'the store does not answer: try again later' },
  INTERNAL: { status: 500, message: 'an unexpected fault; the server logged it' },
  STORE_FULL: { status: 507, message: 'the store is full' },
} as const satisfies Record<string, { status: number; message: string }>;

export type RefusalCode = keyof typeof REFUSALS;

/** A refusal on its way to whoever asked. `retryAfterMs` is there when trying again later can help. */
export interface Refusal {
  readonly code: RefusalCode;
  /** Takes the place of the code's own sentence where more is known, such as the bound in force. */
  readonly message?: string;
  readonly retryAfterMs?: number;
}

/** Faults: thrown as {@link VolleyError}. The process ends, or one shard is run again; nobody's input causes them. */
const FAULTS = {
  PORT_IN_USE: 'a port is taken or may not be bound',
  RING_TOO_SMALL: 'the shared-memory ring cannot hold two of the largest pushes',
  RING_CORRUPT: 'a reader met bytes in the ring that no writer wrote',
  BATCH_CORRUPT: 'stored bytes are not a batch',
  SHARD_LISTEN: 'a shard could not listen on the viewer port',
  STORE_LOCKED: 'another server runs on the same directory',
  STORE_FOREIGN: 'the directory of the store is not a store of volley',
  STORE_DENIED: 'the directory of the store may not be read or written',
  STORE_DAMAGED: 'files of the store are missing, truncated or altered',
  STORE_VERSION: 'the store was written by another version of volley',
  BINARY_MISSING: 'uWebSockets.js has no binary for this Node.js',
} as const satisfies Record<string, string>;

export type FaultCode = keyof typeof FAULTS;

/** Close codes that volley sends. 1006 is what a client sees when uWebSockets.js drops the link without a close frame. */
export const CLOSE = {
  /** More messages than this server reads, although told so; or more before the welcome than anybody means to send. */
  FLOOD: 1008,
  /** The server is stopping, or its shard is being restarted: come back at once. */
  RESTART: 1012,
  /** Over `--max-backpressure` for `--slow-close`: this viewer reads too slowly. */
  SLOW: 4008,
} as const;

/** Thrown for faults, and by a store for an append that failed: then `code` is the refusal that the senders get. */
export class VolleyError extends Error {
  readonly code: FaultCode | RefusalCode;

  constructor(code: FaultCode | RefusalCode, detail: string, options?: { cause?: unknown }) {
    super(detail, options);
    this.name = 'VolleyError';
    this.code = code;
  }
}

/** The refusal code that stands for `error` towards a sender: the error's own where it is one, else `STORE_FAILED`. */
export function refusalOf(error: unknown): RefusalCode {
  if (error instanceof VolleyError && error.code in REFUSALS) return error.code as RefusalCode;
  return 'STORE_FAILED';
}
