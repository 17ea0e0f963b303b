import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { decodeBatch, encodeBatch, type TimedDraft } from './batch.ts';
import { decodeMsgpackFrame, encodeJsonFrame, encodeMsgpackFrame, joinBatches } from './codecs.ts';

/** What the test vector on the protocol page stands for. */
const AT = 1_764_000_000_000;
const DRAFTS: TimedDraft[] = [
  { text: '神之感动', mode: 0, color: 0xffffff, size: 25, user: '', name: '', extra: '', at: AT },
  { text: 'gj', mode: 1, color: 255, size: 30, user: 'Dfc8f9cc', name: 'bob', extra: 'gift:1', at: AT + 137 },
];
const SEQ = 42;
const PREV = 41;
const VIEWERS = 51_234;

const page = readFileSync(new URL('../../docs/protocol.md', import.meta.url), 'utf8');
const [, vector = ''] = page.split(/^#+ .*test vector.*$/im);

/** The fenced blocks of a language after the page's test vector heading. */
function blocks(language: string): string[] {
  return [...vector.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, 'gm'))].map(
    ([, body = '']) => body,
  );
}

/** The bytes of a hex block: digits and white space, nothing else. */
function bytesOf(block = ''): Uint8Array {
  const digits = block.replace(/\s/g, '');
  expect(digits).toMatch(/^([0-9a-f]{2})+$/i);
  return new Uint8Array(Buffer.from(digits, 'hex'));
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

describe('the test vector in docs/protocol.md', () => {
  const [batchBlock, frameBlock] = blocks('hex');
  const message: unknown = JSON.parse(blocks('json')[0] ?? 'null');
  const numbered = { seq: SEQ, prev: PREV, bytes: encodeBatch(DRAFTS).bytes };

  it('has the bytes that are written for its batch', () => {
    expect(hex(bytesOf(batchBlock))).toBe(hex(numbered.bytes));
  });

  it('has the bytes that are written for its frame, the batch in them as it is', () => {
    expect(hex(bytesOf(frameBlock))).toBe(hex(encodeMsgpackFrame([numbered], VIEWERS)));
    expect(hex(bytesOf(frameBlock))).toContain(hex(bytesOf(batchBlock)));
  });

  it('has the JSON message that is sent for it', () => {
    expect(JSON.parse(new TextDecoder().decode(encodeJsonFrame([numbered], VIEWERS)))).toStrictEqual(message);
  });

  it('says what its batch decodes to', () => {
    const batch = { seq: SEQ, prev: PREV, bytes: bytesOf(batchBlock) };
    expect(joinBatches([batch], VIEWERS)).toStrictEqual(message);
    expect(decodeBatch(batch)).toStrictEqual({ at: AT, comments: joinBatches([batch], VIEWERS).comments });
  });

  it('says what its frame decodes to', () => {
    expect(decodeMsgpackFrame(bytesOf(frameBlock))).toStrictEqual(message);
  });
});
