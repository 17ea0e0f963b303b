import { inflateRawSync } from 'node:zlib';
import { BOUNDS, type Comment, MODES } from '../../src/comment.ts';
import { parseCommentId } from '../../src/comment-id.ts';
import type { BatchMessage } from '../../src/frames/batch-message.ts';
import { type Codec, DEFLATE_CODEC, JSON_CODEC } from '../../src/frames/codec.ts';
import { decodeMsgpackFrame } from '../../src/frames/codec-msgpack.ts';
import type { FrameIdentity } from './known-frames.ts';

/**
 * Decodes a frame in full.
 * @throws whatever the decoder throws when it is none
 */
export function decodeFrame(codec: Codec, payload: Buffer): BatchMessage {
  if (codec === JSON_CODEC) return JSON.parse(payload.toString('utf8')) as BatchMessage;
  return decodeMsgpackFrame(codec === DEFLATE_CODEC ? inflateRawSync(payload) : payload);
}

/**
 * What a decoded frame is.
 * @throws Error when it has no seq, prev or comments
 */
export function identify({ seq, prev, comments }: BatchMessage): FrameIdentity {
  if (!Number.isSafeInteger(seq) || !Number.isSafeInteger(prev) || !Array.isArray(comments)) {
    throw new Error('a batch has no seq, no prev or no comments');
  }
  const batches: number[] = [];
  for (const comment of comments) {
    const batch = parseCommentId(String(comment.id))?.seq ?? Number.NaN;
    if (batch !== batches.at(-1)) batches.push(batch);
  }
  return { seq, prev, comments: comments.length, batches };
}

/** What is wrong with a frame that was taken for `identity`, as a sentence; undefined for a good one. */
export function findFault(message: BatchMessage, identity: FrameIdentity): string | undefined {
  const { seq, prev, comments } = message;
  const name = `batch ${seq} after ${prev}`;
  if (seq !== identity.seq || prev !== identity.prev) {
    return `${name} was taken for batch ${identity.seq} after ${identity.prev}`;
  }
  if (comments.length === 0) return `${name} holds no comment`;
  if (comments.length !== identity.comments) {
    return `${name} holds ${comments.length} comments in one copy and ${identity.comments} in another`;
  }
  let batch = -1;
  let place = 0;
  for (const comment of comments) {
    const at = parseCommentId(String(comment.id));
    if (at === null) return `${name} holds comment ${comment.id}`;
    if (at.seq !== batch) {
      if (at.seq <= Math.max(batch, prev) || at.seq > seq) return `${name} holds comment ${comment.id}`;
      batch = at.seq;
      place = 0;
    }
    if (at.place !== place) return `${name} holds comment ${comment.id} at place ${place} of batch ${batch}`;
    place += 1;
    const wrong = findWrongField(comment);
    if (wrong !== undefined) return `comment ${comment.id} has ${wrong} ${JSON.stringify(comment[wrong])}`;
  }
  return batch === seq ? undefined : `${name} ends with comments of batch ${batch}`;
}

function findWrongField(comment: Comment): keyof Comment | undefined {
  if (typeof comment.text !== 'string' || comment.text === '') return 'text';
  if (typeof comment.user !== 'string') return 'user';
  if (typeof comment.name !== 'string') return 'name';
  if (!MODES.includes(comment.mode)) return 'mode';
  if (!isWithin(comment.color, 0, BOUNDS.color)) return 'color';
  if (!isWithin(comment.size, 1, BOUNDS.size)) return 'size';
  if (!isWithin(comment.at, 0, Number.MAX_SAFE_INTEGER)) return 'at';
  return undefined;
}

function isWithin(value: number, least: number, most: number): boolean {
  return Number.isInteger(value) && value >= least && value <= most;
}
