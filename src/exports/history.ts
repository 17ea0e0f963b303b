import type { Comment } from '../comment.ts';
import { placeOf } from '../comment-id.ts';
import { decodeBatch } from '../frames/batch.ts';
import { type Store, type StoredBatch, seqBefore } from '../store/store.ts';
import type { TurnQueue } from '../turn-queue.ts';

/** Most bytes of batches read from the store at a time: what a reading leaves for the garbage collector counts in the memory of an export. */
const READ_BYTES = 16_384;

/** Who wants few comments begins with as many bytes for each, and no fewer than these at all. */
const COMMENT_BYTES = 64;
const LEAST_READ_BYTES = 2_048;

/**
 * What a piece holds at most, and one comment more: what is done with a piece is done in one turn of the loop. 500
 * comments of the usual length weigh less.
 */
const PIECE_COMMENTS = 500;
const PIECE_WEIGHT = 65_536;

/** A larger batch is decoded in a turn of its own: with the default bounds it has 1.7 MB at most, which take 5 ms. */
const LARGE_BATCH_BYTES = 65_536;

/** Where a comment is in its room; `place` null stands for the whole batch. */
export interface Place {
  readonly seq: number;
  readonly place: number | null;
}

/** A room's history, and who reads it. */
export interface HistorySource {
  readonly store: Store;
  readonly turns: TurnQueue;
  readonly room: string;
  /** Nobody waits for it any more: a walk ends at its next read, though it has found nothing yet. */
  readonly isGone: () => boolean;
}

/** A part of a room's history. */
export interface HistoryRange {
  /** Only what comes after this comment or batch. */
  readonly after: Place;
  /** Only what comes before this comment or batch; null for no end. */
  readonly before: Place | null;
  readonly newestFirst: boolean;
  /** Most comments. */
  readonly limit: number;
  /** Unix ms: what arrived earlier is left out. */
  readonly from: number;
}

export const WHOLE_HISTORY: HistoryRange = {
  after: { seq: 0, place: null },
  before: null,
  newestFirst: false,
  limit: Number.POSITIVE_INFINITY,
  from: Number.NEGATIVE_INFINITY,
};

/**
 * Walks a part of what is kept of a room, piece by piece, up to the batch that is its newest when the walk's first turn
 * comes. A piece holds 1 to 500 comments, fewer where they are long, their `at` in Unix ms. Memory is bounded by the
 * largest batch. Every piece waits for a turn of `turns`: nothing is decoded in the turn of the caller.
 * @throws VolleyError what the store throws, and BATCH_CORRUPT
 */
export async function* walkHistory(source: HistorySource, range: HistoryRange): AsyncGenerator<Comment[], undefined> {
  const { seq: newest } = await source.store.head(source.room);
  const { after, before } = range;
  const first = after.place === null ? after.seq : Math.max(0, after.seq - 1);
  const last = before === null ? newest : Math.min(newest, before.place === null ? before.seq - 1 : before.seq);
  const batches = range.newestFirst
    ? readBackward(source, first, last, Math.min(range.limit, PIECE_COMMENTS))
    : readForward(source, first, last, range.limit);
  let left = range.limit;
  let piece: Comment[] = [];
  let weight = 0;
  for await (const read of batches) {
    await source.turns.next();
    for (const [i, batch] of read.entries()) {
      const isLarge = batch.bytes.length > LARGE_BATCH_BYTES;
      if (isLarge && i > 0) await source.turns.next();
      const comments = selectComments(batch, range);
      if (isLarge) await source.turns.next();
      for (const comment of range.newestFirst ? comments.reverse() : comments) {
        piece.push(comment);
        weight += weigh(comment);
        left -= 1;
        if (left === 0 || piece.length === PIECE_COMMENTS || weight >= PIECE_WEIGHT) {
          yield piece;
          piece = [];
          weight = 0;
          if (left === 0) return;
          await source.turns.next();
        }
      }
    }
    if (piece.length > 0) yield piece;
    piece = [];
    weight = 0;
  }
}

/** About as many characters as a comment takes in a document: in JSON each of its `extra` may become an escape of six. */
function weigh({ text, user, name, extra = '' }: Comment): number {
  return 64 + text.length + user.length + name.length + 6 * extra.length;
}

/** Batches with `first` < seq ≤ `last`, oldest first, as many bytes at a time as `comments` comments may take. */
async function* readForward(
  { store, room, isGone }: HistorySource,
  first: number,
  last: number,
  comments: number,
): AsyncGenerator<readonly StoredBatch[]> {
  let after = first;
  let bytes = Math.max(LEAST_READ_BYTES, comments * COMMENT_BYTES);
  while (after < last) {
    if (isGone()) return;
    const { batches } = await store.read(room, after, last, Math.min(bytes, READ_BYTES));
    const end = batches.at(-1);
    if (end === undefined) return;
    yield batches;
    after = end.seq;
    // The comments are larger than that, or recalled.
    bytes *= 2;
  }
}

/**
 * The same, newest first: the log reads forward only, so stretches of about `comments` comments are looked for from the
 * end and each is turned round. A stretch is kept whole: its comments are at most `comments` and one batch.
 */
async function* readBackward(
  source: HistorySource,
  first: number,
  last: number,
  comments: number,
): AsyncGenerator<StoredBatch[]> {
  const { store, room, isGone } = source;
  let end = last;
  while (end > first) {
    if (isGone()) return;
    const start = await seqBefore(store, room, end, comments, first);
    const stretch: StoredBatch[] = [];
    for await (const read of readForward(source, start, end, comments)) {
      // Batches that were recalled whole count for nothing, so a stretch may have any number of them.
      for (const batch of read) if (batch.count > 0) stretch.push(batch);
    }
    if (isGone()) return;
    yield stretch.reverse();
    end = start;
  }
}

/** The comments of a batch that are in the range, in their order. */
function selectComments(batch: StoredBatch, { after, before, from }: HistoryRange): Comment[] {
  const { at, comments } = decodeBatch(batch);
  const least = batch.seq === after.seq ? (after.place ?? Number.POSITIVE_INFINITY) : -1;
  const most = batch.seq === before?.seq ? (before.place ?? -1) : Number.POSITIVE_INFINITY;
  const selected: Comment[] = [];
  for (const comment of comments) {
    const { place } = placeOf(comment.id);
    const time = at + comment.at;
    if (place > least && place < most && time >= from) selected.push({ ...comment, at: time });
  }
  return selected;
}
