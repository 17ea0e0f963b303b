/** What a load does. Plain data: the coordinator hands every load thread its share of it. */
export interface LoadPlan {
  /** `ws://HOST:PORT`, no path. A host in 127.0.0.0/8 is reached from several source addresses, as many as are needed. */
  readonly url: string;
  /** Request paths; connection `i` goes to `paths[i % paths.length]`. On volley each is a room. */
  readonly paths: readonly string[];
  /** '' offers none. */
  readonly subprotocol: string;
  /**
   * `volley`: a connection is up with its `welcome`; frames are known by seq and prev and checked for loss.
   * `opaque`: any other server; a connection is up when it is upgraded, every message of the kind
   * `opaqueFrames` counts as a frame, and the k-th frames of all viewers count as one push (one load thread only).
   */
  readonly protocol: 'volley' | 'opaque';
  /**
   * On volley: viewers that are not sampled count their frames as those of an opaque server do, at the same cost, so
   * that servers can be held against each other. Losses are then seen by the sampled ones only.
   */
  readonly counted?: boolean;
  /** Which messages count as frames where they are opaque, 'binary' when left out: Socket.IO pushes text. */
  readonly opaqueFrames?: 'binary' | 'text';
  /** Text messages that an opaque connection sends once it is upgraded, for servers that want a word first. */
  readonly hello: readonly string[];
  /** Value of Sec-WebSocket-Extensions, '' for none. */
  readonly extensions: string;
  readonly connections: number;
  /** Handshakes that a thread has under way at once, 200 when left out; as many as connections for a storm. */
  readonly atOnce?: number;
  readonly threads: number;
  /** The first so many connections also send. */
  readonly senders: number;
  readonly sending: Sending;
  /** What senders send, over and over. */
  readonly comments: readonly SentComment[];
  /** The last so many connections read nothing once they are up. */
  readonly deaf: number;
  /**
   * Share of the connections that leave and come back each second. Senders, the deaf and the sampled stay; below a
   * quarter a second so does every other one, so that there are viewers to tell the spread by.
   */
  readonly churn: number;
  /** About every so many-th connection, spread over rooms and threads, decodes each frame in full, checks it, and times every comment in it. */
  readonly sampleEvery: number;
}

/** How senders send: each `rate` comments a second, one in each gap of that pace at a random moment of it, or as fast as acks come back. */
export type Sending =
  | { readonly kind: 'none' }
  | { readonly kind: 'paced'; readonly rate: number }
  /** Each sender keeps `window` comments unanswered; for one refused it sends the next after the server's retryAfterMs. */
  | { readonly kind: 'flood'; readonly window: number };

/** A comment as a viewer sends it, without `type` and `ref`. */
export interface SentComment {
  readonly text: string;
  readonly mode: string;
  readonly color: number;
  readonly size: number;
}
