import fc from 'fast-check';
import { type Comment, MODES } from '../comment.ts';
import { encodeBatch } from '../frames/batch.ts';
import { codePoint } from '../testing/properties.ts';
import { draftOf } from '../testing/rooms.ts';
import type { FakeStore } from '../testing/store-fake.ts';

export const AT = 1_764_000_000_000;

/** A comment as an export gets it: its `at` is Unix ms. */
export function commentOf(text: string, more: Partial<Comment> = {}): Comment {
  return { id: '1.0', user: '', name: '', text, mode: 'scroll', color: 0xffffff, size: 25, at: AT, ...more };
}

/** Any text, with markup, commands, control characters, lone surrogates and what XML does not allow in plenty. */
export const anyText = fc.oneof(
  fc.string({ unit: codePoint, minLength: 1, maxLength: 30 }),
  fc.string({
    unit: fc.constantFrom(...'<>&"\'{}\\nNh%, ;]-=:()/\u0000\u0008\t\n\r\u0085\u2028\ud800\udc00\ufffe\uffff\ufeff神a'),
    minLength: 1,
    maxLength: 20,
  }),
);

/** Any comments, in the order of their times. */
export const anyComments = fc
  .array(
    fc.record({
      text: anyText,
      user: fc.oneof(fc.constant(''), anyText),
      name: fc.oneof(fc.constant(''), anyText),
      extra: fc.option(anyText, { nil: undefined }),
      mode: fc.constantFrom(...MODES),
      color: fc.integer({ min: 0, max: 0xffffff }),
      size: fc.integer({ min: 1, max: 255 }),
      pause: fc.integer({ min: 0, max: 100_000 }),
    }),
    { maxLength: 20 },
  )
  .map((given) => {
    let at = AT;
    return given.map(({ pause, extra, ...rest }, place): Comment => {
      at += pause;
      return { id: `7.${place}`, at, ...rest, ...(extra === undefined ? {} : { extra }) };
    });
  });

/** Puts a batch with so many comments for each of `sizes` into the room's log; comment n of batch m is `m.n`. */
export function fillRoom(store: FakeStore, room: string, ...sizes: number[]): void {
  for (const [batch, size] of sizes.entries()) {
    const texts = Array.from({ length: size }, (_, place) => `${batch + 1}.${place}`);
    store.deliver(store.put(room, encodeBatch(texts.map((text) => ({ ...draftOf(text), at: AT + batch * 1_000 })))));
  }
}
