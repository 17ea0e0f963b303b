import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CommentIterator, MOST_WAITING } from './comment-iterator.ts';
import type { LiveComment } from './live-comment.ts';

function comment(n: number): LiveComment {
  const plain = { user: '', name: '', mode: 'scroll', color: 0, size: 25 } as const;
  return { ...plain, id: `1.${n}`, text: String(n), at: 0, time: 0 };
}

async function takeAll(iterator: CommentIterator): Promise<string[]> {
  const texts: string[] = [];
  for await (const { text } of iterator) texts.push(text);
  return texts;
}

describe('CommentIterator', () => {
  it('gives what came before and after it was asked, in order', async () => {
    const iterator = new CommentIterator(() => {});
    iterator.push(comment(0));
    const all = takeAll(iterator);
    iterator.push(comment(1));
    await Promise.resolve();
    iterator.push(comment(2));
    iterator.end();
    expect(await all).toStrictEqual(['0', '1', '2']);
  });

  it('answers as many calls of next as are made ahead', async () => {
    const iterator = new CommentIterator(() => {});
    const asked = [iterator.next(), iterator.next(), iterator.next()];
    iterator.push(comment(0));
    iterator.push(comment(1));
    iterator.end();
    expect((await Promise.all(asked)).map(({ value }) => value?.text)).toStrictEqual(['0', '1', undefined]);
  });

  it('keeps the newest 10,000 for a slow loop, and says which cost an older one', async () => {
    const iterator = new CommentIterator(() => {});
    let lost = 0;
    for (let n = 0; n < MOST_WAITING + 50; n += 1) if (iterator.push(comment(n))) lost += 1;
    iterator.end();
    const texts = await takeAll(iterator);
    expect(lost).toBe(50);
    expect(texts).toHaveLength(MOST_WAITING);
    expect([texts[0], texts.at(-1)]).toStrictEqual(['50', String(MOST_WAITING + 49)]);
  });

  it('loses and reorders nothing however pushes and takes are mixed', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: -30, max: 30 }), { maxLength: 40 }), async (steps) => {
        const iterator = new CommentIterator(() => {});
        const asked: Promise<IteratorResult<LiveComment, undefined>>[] = [];
        let pushed = 0;
        for (const step of steps) {
          for (let i = 0; i < step; i += 1) {
            iterator.push(comment(pushed));
            pushed += 1;
          }
          for (let i = step; i < 0; i += 1) asked.push(iterator.next());
        }
        iterator.end();
        const texts = (await Promise.all(asked)).flatMap(({ value }) => (value === undefined ? [] : [value.text]));
        expect([...texts, ...(await takeAll(iterator))]).toStrictEqual(
          Array.from({ length: pushed }, (_, n) => `${n}`),
        );
      }),
      { numRuns: 50 },
    );
  });

  it('tells once that it has ended, when the loop is left', async () => {
    const ended: CommentIterator[] = [];
    const iterator = new CommentIterator((which) => ended.push(which));
    iterator.push(comment(0));
    iterator.push(comment(1));
    for await (const _ of iterator) break;
    iterator.end();
    expect(ended).toStrictEqual([iterator]);
    expect(await iterator.next()).toStrictEqual({ done: true, value: undefined });
  });
});
