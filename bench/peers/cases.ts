/** What is pushed in each case, and the folder with the frames and programs that contenders need. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Packr } from 'msgpackr';
import type { RecordedComment } from '../../scripts/bilibili-xml.ts';
import { type Draft, MODES } from '../../src/comment.ts';
import { encodeBatch } from '../../src/frames/batch.ts';
import { SUBPROTOCOLS } from '../../src/frames/codec.ts';
import { deflateFrameNow, encodeMsgpackFrame } from '../../src/frames/codecs.ts';
import { readComments } from '../run/feed.ts';

export const CASE_NAMES = ['small', 'large', 'spread'] as const;

export type CaseName = (typeof CASE_NAMES)[number];

/** What all contenders of a case do. */
export interface PeerCase {
  readonly name: CaseName;
  readonly title: string;
  readonly comments: number;
  /** Milliseconds between two pushes. */
  readonly every: number;
  /** What volley's viewers ask for. */
  readonly subprotocol: string;
  /** Viewers, as a multiple of what the command line says. */
  readonly crowd: number;
  /** What the ratio is of: server CPU a delivered frame, or the time from the first to the last viewer of a push. */
  readonly measure: 'cpu' | 'spread';
}

const [, MSGPACK, DEFLATE] = SUBPROTOCOLS;

export const CASES: Readonly<Record<CaseName, PeerCase>> = {
  small: {
    name: 'small',
    title: 'Small pushes: 20 comments, 10 times a second',
    ...{ comments: 20, every: 100, subprotocol: MSGPACK, crowd: 1, measure: 'cpu' },
  },
  large: {
    name: 'large',
    title: 'Large pushes: 1,000 comments, twice a second',
    ...{ comments: 1_000, every: 500, subprotocol: DEFLATE, crowd: 1, measure: 'cpu' },
  },
  spread: {
    name: 'spread',
    title: 'From the first to the last viewer of one push: 20 comments, once a second',
    ...{ comments: 20, every: 1_000, subprotocol: MSGPACK, crowd: 2.5, measure: 'spread' },
  },
};

/** More different pushes than this would tell nothing new. */
const MOST_PUSHES = 100;

export interface PushOrder {
  readonly peerCase: PeerCase;
  readonly viewers: number;
  /** How many different pushes there are before the first comes again. */
  readonly pushes: number;
}

export function countPushes({ every }: PeerCase, seconds: number): number {
  return Math.min(MOST_PUSHES, Math.max(1, Math.round((seconds * 1_000) / every)));
}

/**
 * `count` real comments from the sample, over and over. They come without the sample's hash of the user: volley takes
 * none from a viewer, and what a site sets instead is its own.
 */
export function takeComments(count: number): RecordedComment[] {
  const all = readComments().comments;
  return Array.from({ length: count }, (_, i) => {
    const { text, mode, color, size } = all[i % all.length] as RecordedComment;
    return { text, mode, color, size, user: '' };
  });
}

/**
 * How a push is laid out. `columns` and `deflated` are volley's own frames, byte for byte. `rows` is what a server would
 * send that knows nothing of columns: a msgpack array of `[id, user, name, text, mode, color, size, at]`.
 */
export type FrameKind = 'columns' | 'deflated' | 'rows';

const START = 1_764_000_000_000;

/** Ids of rows take five bytes, as they do after the first 65,536 comments of a site. */
const FIRST_ID = 10_000_000;

const packr = new Packr({ useRecords: false });

/** Frames of consecutive pushes of a room. The comments of a push share one time, as those of one POST to volley do. */
function makeFrames(kind: FrameKind, { peerCase, viewers, pushes }: PushOrder): Uint8Array[] {
  const { comments, every } = peerCase;
  const all = takeComments(pushes * comments);
  return Array.from({ length: pushes }, (_, push) => {
    const first = push * comments;
    const drafts = all.slice(first, first + comments).map(({ text, mode, color, size }): Draft => {
      return { text, mode: MODES.indexOf(mode), color, size, user: '', name: '', extra: '' };
    });
    if (kind === 'rows') {
      const rows = drafts.map(({ user, name, text, mode, color, size }, i) => {
        return [FIRST_ID + first + i, user, name, text, mode, color, size, 0];
      });
      // A copy: what msgpackr returns is a view of its scratch buffer.
      return new Uint8Array(packr.pack(rows));
    }
    const { bytes } = encodeBatch(drafts.map((draft) => ({ ...draft, at: START + push * every })));
    const frame = encodeMsgpackFrame([{ seq: push + 1, prev: push, bytes }], viewers);
    return kind === 'columns' ? frame : deflateFrameNow(frame);
  });
}

export type Workshop = ReturnType<typeof makeWorkshop>;

export function makeWorkshop() {
  const folder = mkdtempSync(join(tmpdir(), 'volley-peers-'));
  return {
    folder,

    /** The file with the frames of a case, each its length, 4 bytes big-endian, and its bytes; made the first time. */
    framesFile(kind: FrameKind, order: PushOrder): string {
      const { peerCase, viewers, pushes } = order;
      const path = join(folder, [peerCase.name, kind, peerCase.comments, viewers, pushes].join('-'));
      if (existsSync(path)) return path;
      const parts = makeFrames(kind, order).flatMap((frame) => {
        const length = Buffer.alloc(4);
        length.writeUInt32BE(frame.length);
        return [length, frame];
      });
      writeFileSync(path, Buffer.concat(parts));
      return path;
    },

    remove: (): void => rmSync(folder, { recursive: true, force: true }),
  };
}

export function readFrames(path: string): Buffer[] {
  const bytes = readFileSync(path);
  const frames: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = at + 4 + bytes.readUInt32BE(at);
    frames.push(bytes.subarray(at + 4, end));
    at = end;
  }
  return frames;
}
