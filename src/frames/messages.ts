/**
 * What the server says to a viewer, message by message (docs/protocol.md). All but `batch` are text on every codec. No
 * `node:` import: server, SDK, `watch` and the bench share this file.
 */
import type { Comment } from '../comment.ts';

/** A `batch` message of protocol v1, as JSON. */
export interface BatchMessage {
  type: 'batch';
  /** The last batch's seq. */
  seq: number;
  /** The seq before the first batch. */
  prev: number;
  /** Arrival of the first comment, Unix ms; every comment's `at` is ms after it. */
  at: number;
  viewers: number;
  comments: Comment[];
}

/** Batches that are gone for good, both ends included. */
export interface Gap {
  readonly from: number;
  readonly to: number;
}

/** The first message of every link. */
export interface Welcome {
  readonly type: 'welcome';
  readonly room: string;
  /** The room's newest batch, 0 for none. */
  readonly seq: number;
  readonly viewers: number;
  /** Milliseconds between two pushes of the room. */
  readonly interval: number;
  /** The room has begun anew: what is kept of it follows. */
  readonly reset?: boolean;
  readonly gap?: Gap;
}

export interface AckMessage {
  readonly type: 'ack';
  readonly ref?: string | undefined;
  readonly id: string;
  readonly seq: number;
}

/** A message of the viewer's was not taken. Decide by `code`; `message` is for people. */
export interface RefusedMessage {
  readonly type: 'refused';
  readonly ref?: string | undefined;
  readonly code: string;
  readonly message: string;
  /** The same comment may be taken that much later. */
  readonly retryAfterMs?: number | undefined;
  /** Set when `count` messages of a flood, the viewer's `first` and those after it, were dropped unread. */
  readonly first?: number;
  readonly count?: number;
}

export type ServerMessage =
  | Welcome
  | BatchMessage
  /** A quiet room's link lives. */
  | { readonly type: 'presence'; readonly seq: number; readonly viewers: number }
  /** Takes comments off the screen: `ids` as viewers were given them. */
  | { readonly type: 'recall'; readonly ids: readonly string[] }
  /** Messages were dropped because this viewer reads too slowly. */
  | { readonly type: 'skipped' }
  | AckMessage
  | RefusedMessage;

/** The text of a message other than `batch`. Members that are undefined are left out. */
export function encodeMessage(message: Exclude<ServerMessage, BatchMessage>): string {
  return JSON.stringify(message);
}
