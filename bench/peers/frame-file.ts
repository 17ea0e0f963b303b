import { readFileSync, writeFileSync } from 'node:fs';

/** Bytes of a length. */
const LENGTH = 4;

/**
 * Writes frames to a file for the servers that send them, floor.c among them: each is its length, 4 bytes big-endian,
 * and its bytes.
 */
export function writeFrames(path: string, frames: readonly Uint8Array[]): void {
  const parts = frames.flatMap((frame) => {
    const length = Buffer.alloc(LENGTH);
    length.writeUInt32BE(frame.length);
    return [length, frame];
  });
  writeFileSync(path, Buffer.concat(parts));
}

/**
 * Reads what {@link writeFrames} wrote.
 * @throws RangeError when the file is cut off
 */
export function readFrames(path: string): Buffer[] {
  const bytes = readFileSync(path);
  const frames: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const start = at + LENGTH;
    const end = start + bytes.readUInt32BE(at);
    if (end > bytes.length) throw new RangeError(`${path} is cut off`);
    frames.push(bytes.subarray(start, end));
    at = end;
  }
  return frames;
}
