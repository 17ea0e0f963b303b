/**
 * The codecs: how a push goes over the wire. A viewer chooses one by its WebSocket subprotocol. No `node:` import.
 */

/** A codec is named by its place in this list wherever it is counted (rooms, shards, shared counters). */
export const CODECS = ['json', 'msgpack', 'deflate'] as const;

export type CodecName = (typeof CODECS)[number];

/** A codec's place in {@link CODECS}. */
export type Codec = 0 | 1 | 2;

export const JSON_CODEC = 0;
export const MSGPACK_CODEC = 1;
export const DEFLATE_CODEC = 2;

export const ALL_CODECS: readonly Codec[] = [JSON_CODEC, MSGPACK_CODEC, DEFLATE_CODEC];

export const SUBPROTOCOLS = ['volley.v1.json', 'volley.v1.msgpack', 'volley.v1.msgpack.deflate'] as const;

/** True where a batch is a binary message; control messages are JSON text on every codec. */
export function isBinary(codec: Codec): boolean {
  return codec !== JSON_CODEC;
}

/** The topic that a room's viewers on one codec subscribe to: `codec:room`, ASCII. */
export function topicOf(codec: Codec, room: string): string {
  return `${CODECS[codec]}:${room}`;
}

/**
 * The codec for what a client offered in Sec-WebSocket-Protocol: the first that we know, JSON when it offered
 * nothing, null when it offered only what we do not know.
 */
export function chooseCodec(offered: string): Codec | null {
  if (offered === '') return JSON_CODEC;
  for (const name of offered.split(',')) {
    const codec = SUBPROTOCOLS.indexOf(name.trim() as (typeof SUBPROTOCOLS)[number]);
    if (codec !== -1) return codec as Codec;
  }
  return null;
}
