import type { Codec } from '../../src/frames/codec.ts';
import { decodeFrame, findFault } from './batch-reader.ts';
import type { FrameIdentity } from './known-frames.ts';
import type { Tally } from './tally.ts';

/** Bytes that may wait to be checked; what comes then is checked at once. */
const MOST_WAITING = 16 * 1024 * 1024;

/**
 * Decodes and checks the frames of sampled viewers, one between two turns of the loop: done where they are read, it
 * would make every viewer behind them look late.
 */
export class FrameChecks {
  readonly #codec: Codec;
  readonly #tally: Tally;
  #waiting: { payload: Buffer; identity: FrameIdentity }[] = [];
  #next = 0;
  #bytes = 0;
  #immediate: NodeJS.Immediate | undefined;

  constructor(codec: Codec, tally: Tally) {
    this.#codec = codec;
    this.#tally = tally;
  }

  /** Checks, now or soon, that `bytes[start, end)` is a good frame, and the one that it was taken for. */
  add(bytes: Buffer, start: number, end: number, identity: FrameIdentity): void {
    if (this.#bytes + end - start > MOST_WAITING) {
      this.#check(bytes.subarray(start, end), identity);
      return;
    }
    this.#bytes += end - start;
    this.#waiting.push({ payload: Buffer.from(bytes.subarray(start, end)), identity });
    this.#immediate ??= setImmediate(() => this.#checkNext());
  }

  /** Checks all that waits. */
  finish(): void {
    clearImmediate(this.#immediate);
    this.#immediate = undefined;
    for (const { payload, identity } of this.#waiting.slice(this.#next)) this.#check(payload, identity);
    this.#clear();
  }

  #checkNext(): void {
    this.#immediate = undefined;
    const next = this.#waiting[this.#next];
    if (next === undefined) return;
    this.#next += 1;
    this.#bytes -= next.payload.length;
    this.#check(next.payload, next.identity);
    if (this.#next === this.#waiting.length) this.#clear();
    else this.#immediate = setImmediate(() => this.#checkNext());
  }

  #clear(): void {
    this.#waiting = [];
    this.#next = 0;
    this.#bytes = 0;
  }

  #check(payload: Buffer, identity: FrameIdentity): void {
    try {
      const fault = findFault(decodeFrame(this.#codec, payload), identity);
      if (fault !== undefined) this.#tally.addFault(fault);
    } catch (error) {
      this.#tally.addFault(`a frame cannot be decoded: ${(error as Error).message}`);
    }
  }
}
