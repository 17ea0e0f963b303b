import { describe, expect, it } from 'vitest';
import { CommentFrames, clientFrame } from './comment-frames.ts';

const COMMENTS = [
  { text: '神之感动 "quoted"', mode: 'top', color: 255, size: 30 },
  { text: 'x'.repeat(3_000), mode: 'scroll', color: 16_777_215, size: 25 },
];

/** The payload of a client's frame, unmasked, whatever the mask. */
function payloadOf(frame: Buffer): string {
  const short = (frame[1] ?? 0) & 0x7f;
  const [length, maskAt] = short === 126 ? [frame.readUInt16BE(2), 4] : [short, 2];
  const payload = frame.subarray(maskAt + 4);
  expect(payload).toHaveLength(length);
  expect((frame[1] ?? 0) & 0x80).toBe(0x80);
  return Buffer.from(payload.map((byte, i) => byte ^ (frame[maskAt + (i % 4)] ?? 0))).toString();
}

describe('a comment as a frame', () => {
  it.each([0, 1, 2, 3])('is the message that the protocol wants, number %i', (number) => {
    const frames = new CommentFrames(COMMENTS);
    const into = Buffer.alloc(frames.longest + 10);
    const end = frames.write(into, 10, number, 123_456);
    expect(end - 10).toBeLessThanOrEqual(frames.longest);
    const message = JSON.parse(payloadOf(into.subarray(10, end)));
    expect(message).toEqual({ type: 'comment', ref: '123456', ...COMMENTS[number % 2] });
  });
});

describe("a client's frame", () => {
  it.each([0, 5, 125, 126, 4_000])('of %i bytes has a mask and its length', (length) => {
    expect(payloadOf(clientFrame(0x81, Buffer.alloc(length, 'a')))).toBe('a'.repeat(length));
  });

  it('is never longer than servers take', () => {
    expect(() => clientFrame(0x81, Buffer.alloc(65_536))).toThrow(RangeError);
  });
});
