/**
 * FrameRing: frames from one writer (the main thread) to N readers (the shards), every reader sees every frame.
 * One SharedArrayBuffer, no locks:
 *
 *   byte 0          64           128                 64 × (1 + readers)                      + capacity
 *   ├─ head ────────┼─ read[0] ──┼─ read[1] ── … ────┼─ data ────────────────────────────────┤
 *     Int32           Int32, each on a cache line of its own
 *
 *   an entry, at a multiple of 8 in data:
 *   ├ u32 frame length ┼ u16 topic length ┼ u16 flags ┼ frame bytes ┼ topic bytes ┼ padding to 8 ┤
 *
 * - The frame stands before its topic so that it begins at a multiple of 8: V8 copies into shared memory by words
 *   where source and destination are equally aligned, else byte by byte (12 KB: 0.7 µs against 3.5).
 * - Positions run modulo twice the capacity, so that full (head - read = capacity) is not empty (head = read).
 *   A position's place in data is the position modulo the capacity.
 * - An entry never wraps: what is left at the end of data is taken by a FILLER entry of 8 bytes header and nothing
 *   to read.
 * - Memory order: the writer fills bytes with plain stores, then `Atomics.store(head)`. A reader learns a head from
 *   a message that was posted after that store, and frees by `Atomics.store(read[i])` after its last plain load.
 */
import { VolleyError } from '../codes.ts';

const LINE = 64;
const HEADER = 8;
const FILLER = 1 << 15;

/** Entry flag: the frame is a binary message; without it, text. */
export const BINARY = 1;

export interface RingEntry {
  readonly topic: Uint8Array;
  readonly frame: Uint8Array;
  readonly flags: number;
}

/** Bytes that an entry takes in the ring. */
export function entrySize(topicLength: number, frameLength: number): number {
  return (HEADER + topicLength + frameLength + 7) & ~7;
}

/** The memory of a ring, as a thread sees it. The same buffer is handed to every thread. */
export interface RingMemory {
  readonly buffer: SharedArrayBuffer;
  readonly readers: number;
}

interface RingViews {
  readonly capacity: number;
  readonly control: Int32Array;
  readonly bytes: Uint8Array;
  readonly words: Uint32Array;
}

/**
 * Makes the memory of a ring: `capacity` bytes of data (a multiple of 8, at most 2^29) for `readers` readers. All of it
 * is touched now: the kernel would else hand it out as the ring goes round, and a server would look as if it leaked.
 */
export function createRing(capacity: number, readers: number): RingMemory {
  const buffer = new SharedArrayBuffer(LINE * (1 + readers) + capacity);
  new Uint8Array(buffer).fill(0);
  return { buffer, readers };
}

function viewRing(memory: RingMemory): RingViews {
  const start = LINE * (1 + memory.readers);
  return {
    capacity: memory.buffer.byteLength - start,
    control: new Int32Array(memory.buffer, 0, start / 4),
    bytes: new Uint8Array(memory.buffer, start),
    words: new Uint32Array(memory.buffer, start),
  };
}

function readIndex(reader: number): number {
  return ((1 + reader) * LINE) / 4;
}

/** The one writer. Entries become visible to readers by {@link publish}, all at once. */
export class RingWriter {
  readonly #views: RingViews;
  readonly #active: boolean[];
  /** Where the next entry goes: ahead of the shared head by what is written and not yet published. */
  #end: number;

  /** `position` is where the ring starts to run, for tests just below the wrap. */
  constructor(memory: RingMemory, position = 0) {
    this.#views = viewRing(memory);
    this.#active = new Array<boolean>(memory.readers).fill(false);
    this.#end = position;
    Atomics.store(this.#views.control, 0, position);
  }

  get capacity(): number {
    return this.#views.capacity;
  }

  /** Starts to wait for `reader`, from the published head on. It must hold nothing of the ring at this time. */
  attach(reader: number): number {
    const head = Atomics.load(this.#views.control, 0);
    Atomics.store(this.#views.control, readIndex(reader), head);
    this.#active[reader] = true;
    return head;
  }

  /** Stops waiting for `reader`: it is gone, and so is its claim on what it has not read. */
  detach(reader: number): void {
    this.#active[reader] = false;
  }

  /** Bytes in use, as the slowest attached reader leaves them. */
  used(): number {
    const { capacity, control } = this.#views;
    let most = 0;
    for (const [reader, active] of this.#active.entries()) {
      if (!active) continue;
      const read = Atomics.load(control, readIndex(reader));
      most = Math.max(most, (this.#end - read + 2 * capacity) % (2 * capacity));
    }
    return most;
  }

  /** Writes all of `entries` or, where there is no room for all, none. Nothing is visible before {@link publish}. */
  write(entries: readonly RingEntry[]): boolean {
    const { capacity } = this.#views;
    let end = this.#end;
    for (const entry of entries) {
      const size = entrySize(entry.topic.length, entry.frame.length);
      if (size > capacity) return false;
      end += this.#lost(end, size) + size;
    }
    if (end - this.#end > capacity - this.used()) return false;
    for (const entry of entries) this.#put(entry);
    return true;
  }

  /** Makes everything written so far visible; gives the head to name in the wake-up. */
  publish(): number {
    Atomics.store(this.#views.control, 0, this.#end);
    return this.#end;
  }

  /** Bytes that a filler takes before an entry of `size` at position `end`. */
  #lost(end: number, size: number): number {
    const { capacity } = this.#views;
    const left = capacity - (end % capacity);
    return size > left ? left : 0;
  }

  #put(entry: RingEntry): void {
    const { capacity, bytes, words } = this.#views;
    const size = entrySize(entry.topic.length, entry.frame.length);
    const lost = this.#lost(this.#end, size);
    if (lost > 0) {
      const word = (this.#end % capacity) / 4;
      words[word + 1] = FILLER << 16;
      this.#end = (this.#end + lost) % (2 * capacity);
    }
    const at = this.#end % capacity;
    words[at / 4] = entry.frame.length;
    words[at / 4 + 1] = (entry.flags << 16) | entry.topic.length;
    bytes.set(entry.frame, at + HEADER);
    bytes.set(entry.topic, at + HEADER + entry.frame.length);
    this.#end = (this.#end + size) % (2 * capacity);
  }
}

/** Takes one frame. Both views lie in shared memory and are valid until it returns. */
type FrameVisitor = (topic: Uint8Array, frame: Uint8Array, flags: number) => void;

/** One of the N readers, in its own thread. */
export class RingReader {
  readonly #views: RingViews;
  readonly #index: number;
  #position: number;

  /** `position` is what {@link RingWriter.attach} gave for this reader. */
  constructor(memory: RingMemory, reader: number, position: number) {
    this.#views = viewRing(memory);
    this.#index = readIndex(reader);
    this.#position = position;
  }

  /**
   * Visits every entry up to `head`, never further, then frees them. If `visit` throws, nothing is freed and the
   * reader must be detached.
   * @throws VolleyError RING_CORRUPT
   */
  read(head: number, visit: FrameVisitor): void {
    const { capacity, bytes, words, control } = this.#views;
    let position = this.#position;
    while (position !== head) {
      const at = position % capacity;
      const frameLength = words[at / 4] ?? 0;
      const second = words[at / 4 + 1] ?? 0;
      const flags = second >>> 16;
      if (flags === FILLER) {
        position = (position + capacity - at) % (2 * capacity);
        continue;
      }
      const topicLength = second & 0xffff;
      const size = entrySize(topicLength, frameLength);
      const left = (head - position + 2 * capacity) % (2 * capacity);
      if (topicLength === 0 || size > left || at + size > capacity) {
        throw new VolleyError('RING_CORRUPT', `no entry at position ${position}, head ${head}`);
      }
      const frame = at + HEADER;
      const topic = frame + frameLength;
      visit(bytes.subarray(topic, topic + topicLength), bytes.subarray(frame, topic), flags);
      position = (position + size) % (2 * capacity);
    }
    this.#position = head;
    Atomics.store(control, this.#index, head);
  }
}
