import { describe, expect, it } from 'vitest';
import type { Comment } from '../../src/comment.ts';
import type { BatchMessage } from '../../src/frames/messages.ts';
import { findFault, identify } from './viewers.ts';

function comment(id: string, changed: Partial<Comment> = {}): Comment {
  return { id, user: '', name: '', text: 'hi', mode: 'scroll', color: 0, size: 25, at: 0, ...changed };
}

/** Three batches in one message, as after a reconnect. */
function makeBatch(changed: Partial<BatchMessage> = {}): BatchMessage {
  const comments = ['5.0', '5.1', '7.0', '8.0', '8.1'].map((id) => comment(id));
  return { type: 'batch', seq: 8, prev: 4, at: 1, viewers: 1, comments, ...changed };
}

it('a message is known by its seq, its prev, its comments and the batches in it', () => {
  expect(identify(makeBatch())).toEqual({ seq: 8, prev: 4, comments: 5, batches: [5, 7, 8] });
});

it('what has no seq or no comments is none', () => {
  expect(() => identify({ type: 'presence', seq: 4 } as unknown as BatchMessage)).toThrow(/no comments/);
  expect(() => identify(makeBatch({ seq: '8' as unknown as number }))).toThrow(/no seq/);
});

describe('a fault', () => {
  it('is none in a good message', () => {
    expect(findFault(makeBatch())).toBeUndefined();
  });

  it.each<[string, BatchMessage, RegExp]>([
    ['a seq that none of its comments has', makeBatch({ seq: 9 }), /batch 9 after 4 ends with comments of batch 8/],
    ['no comments', makeBatch({ comments: [] }), /holds no comment/],
    ['a place left out', idsOf('5.0', '5.2', '7.0', '8.0', '8.1'), /5\.2 at place 1/],
    ['a batch that begins late', idsOf('5.0', '5.1', '7.1', '8.0', '8.1'), /7\.1 at place 0/],
    ['a batch before prev', idsOf('4.0', '5.0', '7.0', '8.0', '8.1'), /4\.0/],
    ['a batch after seq', idsOf('5.0', '5.1', '7.0', '8.0', '9.0'), /holds comment 9\.0/],
    ['batches out of order', idsOf('7.0', '5.0', '5.1', '8.0', '8.1'), /holds comment 5\.0/],
    ['no comment of the last batch', idsOf('5.0', '5.1', '7.0', '7.1', '7.2'), /ends with comments of batch 7/],
    ['an id that is none', idsOf('x', '5.1', '7.0', '8.0', '8.1'), /holds comment x/],
    ['an id that is written otherwise', idsOf('5.0', '5.01', '7.0', '8.0', '8.1'), /holds comment 5\.01/],
    ['an empty text', withComment({ text: '' }), /has text ""/],
    ['an unknown mode', withComment({ mode: 'left' as Comment['mode'] }), /has mode "left"/],
    ['a colour too large', withComment({ color: 2 ** 24 }), /has color/],
    ['a size of 0', withComment({ size: 0 }), /has size 0/],
    ['a time before the message', withComment({ at: -1 }), /has at -1/],
    ['no name', withComment({ name: undefined as unknown as string }), /has name/],
  ])('is %s', (_what, message, sentence) => {
    expect(findFault(message)).toMatch(sentence);
  });
});

function idsOf(...ids: readonly string[]): BatchMessage {
  return makeBatch({ comments: ids.map((id) => comment(id)) });
}

function withComment(changed: Partial<Comment>): BatchMessage {
  const { comments } = makeBatch();
  return makeBatch({ comments: [...comments.slice(0, 4), comment('8.1', changed)] });
}
