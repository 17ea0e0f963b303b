import type { NumberedBatch } from './batch.ts';
import { type Codec, DEFLATE_CODEC, JSON_CODEC, MSGPACK_CODEC } from './codec.ts';
import { type Deflated, deflateFrame, deflateFrameNow, encodeJsonFrame, encodeMsgpackFrame } from './codecs.ts';

/**
 * The frames of one push: one a codec, each made at most once whatever asks for it, and only when asked.
 */
export class FrameMaker {
  readonly #batches: readonly NumberedBatch[];
  readonly #viewers: number;
  readonly #onEncoded: (codec: Codec) => void;
  readonly #frames: (Uint8Array | undefined)[] = [];
  readonly #making: (Promise<void> | undefined)[] = [];
  #msgpack: Uint8Array | undefined;

  /** `onEncoded` counts: it is called once for every frame made. */
  constructor(batches: readonly NumberedBatch[], viewers: number, onEncoded: (codec: Codec) => void) {
    this.#batches = batches;
    this.#viewers = viewers;
    this.#onEncoded = onEncoded;
  }

  /** Makes the frame, unless it is there. A promise only where the work goes on off the loop. */
  make(codec: Codec): undefined | Promise<void> {
    if (this.#frames[codec] !== undefined) return undefined;
    if (this.#making[codec] !== undefined) return this.#making[codec];
    const made = codec === DEFLATE_CODEC ? deflateFrame(this.#msgpackFrame()) : this.#encode(codec);
    this.#making[codec] = this.#keep(codec, made);
    return this.#making[codec];
  }

  /** The frame, made on the spot where {@link make} was not asked for it before. */
  frame(codec: Codec): Uint8Array {
    const made = this.#frames[codec];
    if (made !== undefined) return made;
    const frame = codec === DEFLATE_CODEC ? deflateFrameNow(this.#msgpackFrame()) : this.#encode(codec);
    this.#keep(codec, frame);
    return frame;
  }

  #keep(codec: Codec, made: Deflated): undefined | Promise<void> {
    if (made instanceof Promise) return made.then((frame) => void this.#keep(codec, frame));
    this.#frames[codec] = made;
    this.#onEncoded(codec);
    return undefined;
  }

  #encode(codec: Codec): Uint8Array {
    return codec === JSON_CODEC ? encodeJsonFrame(this.#batches, this.#viewers) : this.#msgpackFrame();
  }

  /** The msgpack bytes, which the deflate codec starts from too. */
  #msgpackFrame(): Uint8Array {
    this.#msgpack ??= this.#frames[MSGPACK_CODEC] ?? encodeMsgpackFrame(this.#batches, this.#viewers);
    return this.#msgpack;
  }
}
