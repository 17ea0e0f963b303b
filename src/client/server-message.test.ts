import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkMessage, readMessage } from './server-message.ts';

/** The messages that docs/protocol.md shows, those of viewers aside. */
const page = readFileSync(new URL('../../docs/protocol.md', import.meta.url), 'utf8');
const shown = [...page.matchAll(/^```json\n([\s\S]*?)^```$/gm)]
  .map(([, text = '']) => text)
  .filter((text) => !text.includes('"type": "comment"'));

const COMMENT = { id: '1.0', user: '', name: '', text: 'a', mode: 'scroll', color: 0, size: 25, at: 0 };
const BATCH = { type: 'batch', seq: 1, prev: 0, at: 1, viewers: 1, comments: [COMMENT] };
const WELCOME = { type: 'welcome', room: 'a', seq: 0, viewers: 1, interval: 1_000 };

describe('messages of the server', () => {
  it('reads every message that the protocol page shows as it stands there', () => {
    expect(new Set(shown.map((text) => JSON.parse(text).type))).toStrictEqual(
      new Set(['welcome', 'batch', 'presence', 'recall', 'skipped', 'ack', 'refused']),
    );
    for (const text of shown) expect(readMessage(text)).toStrictEqual(JSON.parse(text));
  });

  it.each(['{"type":"later"}', '{"type":"toString"}', '{"type":"__proto__"}'])('ignores %s', (text) => {
    expect(readMessage(text)).toBeNull();
  });

  it.each([
    'not JSON',
    '',
    'null',
    '7',
    '[]',
    '{}',
    '{"type":7}',
    '{"type":"presence"}',
    '{"type":"presence","seq":-1,"viewers":1}',
    '{"type":"recall","ids":[7]}',
    '{"type":"ack","id":"1.0","seq":0.5}',
    '{"type":"refused"}',
  ])('does not take %s for a message', (text) => {
    expect(() => readMessage(text)).toThrow(expect.objectContaining({ code: 'UNREADABLE' }));
  });

  it.each([
    { ...BATCH, seq: 0 },
    { ...BATCH, prev: '0' },
    { ...BATCH, at: Number.NaN },
    { ...BATCH, viewers: null },
    { ...BATCH, comments: [COMMENT, null] },
    { ...BATCH, seq: 3, prev: 3 },
    ...[{ text: 7 }, { user: null }, { name: {} }, { mode: 1 }, { color: 'red' }, { size: null }, { extra: 7 }].map(
      (member) => ({ ...BATCH, comments: [{ ...COMMENT, ...member }] }),
    ),
    { ...WELCOME, gap: { from: 3, to: 2 } },
    { type: 'refused', code: 'BUSY', message: 7 },
    { type: 'refused', code: 'BUSY', message: '', retryAfterMs: 'soon' },
    { ...WELCOME, gap: { from: 1 } },
    { ...WELCOME, seq: undefined },
  ])('does not take it for a message where a member is wrong: %j', (message) => {
    expect(() => checkMessage(message)).toThrow(expect.objectContaining({ code: 'UNREADABLE' }));
  });

  it('reads a long batch whose texts are full of brackets, quotes and backslashes', () => {
    const texts = ['[[[[[[[[[[[[[[[[[[[[', '{"{"{"{"', '\\"[\\\\"[', '\\', '"', ']]]]'];
    const comments = Array.from({ length: 12_000 }, (_, i) => ({ ...COMMENT, text: texts[i % texts.length] }));
    const text = JSON.stringify({ ...BATCH, comments });
    expect(text.length).toBeGreaterThan(1_048_576);
    expect(readMessage(text)).toStrictEqual({ ...BATCH, comments });
  });

  it.each([
    ['arrays', '[', ']'],
    ['objects', '{"":', '}'],
  ])('does not parse a long text with more than 16 %s within each other', (_, open, close) => {
    const text = (depth: number): string => {
      const nested = `${open.repeat(depth - 1)}1${close.repeat(depth - 1)}`;
      return `{"type":"later","padding":"${' '.repeat(1_048_576)}","nested":${nested}}`;
    };
    expect(readMessage(text(16))).toBeNull();
    expect(() => readMessage(text(17))).toThrow(/nested over 16 deep/);
  });

  it('does not parse a long text of more values than any push has', () => {
    const text = `{"type":"recall","ids":[${'"",'.repeat(1_048_576)}""]}`;
    expect(() => readMessage(text)).toThrow(expect.objectContaining({ code: 'TOO_LARGE' }));
  });

  it('throws nothing but UNREADABLE, whatever comes', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
        try {
          readMessage(text);
        } catch (error) {
          expect(error).toMatchObject({ code: 'UNREADABLE' });
        }
      }),
    );
  });
});
