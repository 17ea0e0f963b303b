/**
 * Raw deflate for the deflate codec. A small frame is deflated in place; a large one on libuv's threads, so that
 * the main thread goes on taking comments meanwhile.
 */
import { promisify } from 'node:util';
import { deflateRaw, deflateRawSync } from 'node:zlib';

const deflateAsync = promisify(deflateRaw);

/** Frames over this many bytes are deflated off the loop: below it the hand-over costs more than the work. */
const OFF_LOOP = 8_192;

export type Deflated = Uint8Array | Promise<Uint8Array>;

export function deflateFrame(frame: Uint8Array): Deflated {
  return frame.length > OFF_LOOP ? deflateAsync(frame) : deflateRawSync(frame);
}

export function deflateFrameNow(frame: Uint8Array): Uint8Array {
  return deflateRawSync(frame);
}
