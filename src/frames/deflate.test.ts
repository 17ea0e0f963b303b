import { randomBytes } from 'node:crypto';
import { inflateRawSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { deflateFrame, deflateFrameNow } from './codecs.ts';

describe('a deflated frame', () => {
  it('is there at once up to 8,192 bytes, and a promise above', async () => {
    expect(deflateFrame(randomBytes(8_192))).toBeInstanceOf(Uint8Array);
    const large = deflateFrame(randomBytes(8_193));
    expect(large).toBeInstanceOf(Promise);
    await large;
  });

  it('inflates, as raw deflate, to the frame, whatever its size', async () => {
    for (const size of [0, 1, 1_000, 8_192, 8_193, 200_000]) {
      const frame = randomBytes(size);
      expect(inflateRawSync(await deflateFrame(frame)).equals(frame), `${size} bytes`).toBe(true);
    }
  });

  it('is made on the spot when it cannot wait, with the same bytes', async () => {
    const frame = Buffer.from('神之感动 '.repeat(2_000));
    const now = deflateFrameNow(frame);
    expect(now).toBeInstanceOf(Uint8Array);
    expect(Buffer.compare(now, await deflateFrame(frame))).toBe(0);
    expect(now.length).toBeLessThan(frame.length / 10);
  });
});
