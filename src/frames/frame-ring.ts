/**
 * FrameRing: frames from one writer (the main thread) to N readers (the shards). Each entry names the readers that it
 * is for. One SharedArrayBuffer, no locks:
 *
 *   byte 0          64           128                 64 × (1 + readers)                      + capacity
 *   ├─ head ────────┼─ read[0] ──┼─ read[1] ── … ────┼─ data ────────────────────────────────┤
 *     Int32           Int32, each on a cache line of its own
 *
 *   an entry, at a multiple of 8 in data:
 *   ├ u32 frame length ┼ u16 topic length ┼ u16 flags ┼ mask ┼ frame bytes ┼ topic bytes ┼ padding to 8 ┤
 *
 *   mask: a bit a reader, as u32 words, an even number of them: reader r is bit r % 32 of word r / 32
 *
 * - The frame stands before its topic so that it begins at a multiple of 8: V8 copies into shared memory by words
 *   where source and destination are equally aligned, else byte by byte (12 KB: 0.7 µs against 3.5). The mask has an
 *   even number of words for the same reason.
 * - Positions run modulo twice the capacity, so that full (head - read = capacity) is not empty (head = read).
 *   A position's place in data is the position modulo the capacity.
 * - An entry never wraps: what is left at the end of data is taken by a FILLER entry of 8 bytes header and nothing
 *   to read.
 * - A reader steps over an entry that is not for it by the lengths alone. A commit without an entry for a reader does not
 *   wake it.
 *
 * A reader is due from the wake-up until it has read up to the last head that it was told:
 *
 *        wake-up: the writer stores read[r] = begin of the commit
 *   idle ────────────────────────────────────────────────────────▶ due ◀──┐ wake-up: read[r] stays
 *     ▲                                                             │ └───┘
 *     └─────────────────────────────────────────────────────────────┘
 *        read(): the reader stores read[r] = the head that it was told last
 *
 * - An idle reader holds nothing: what was written since is not for it. The writer reclaims up to the slowest reader
 *   that is due. So a reader that is never woken holds no space, however often the ring goes round, and when it is woken
 *   it begins at the commit that has something for it.
 * - Memory order: the writer fills bytes with plain stores, then `Atomics.store(head)`. A reader learns a head from
 *   a message that was posted after that store, and frees by `Atomics.store(read[r])` after its last plain load.
 *   read[r] has one owner at a time: the writer while the reader is idle, which it sees by read[r] being the last head
 *   that it told; the reader from the message on, which is posted after the writer's own store to read[r].
 */
import { VolleyError } from '../codes.ts';

const LINE = 64;
/** Of an entry before its mask. */
const LENGTHS = 8;
const FILLER = 1 << 15;

/** Entry flag: the frame is a binary message; without it, text. */
export const BINARY = 1;

export interface RingEntry {
  readonly topic: Uint8Array;
  readonly frame: Uint8Array;
  readonly flags: number;
  /** The readers that it is for: a mask of {@link maskWords} words, at least one bit set. */
  readonly readers: Uint32Array;
}

/** Words of a mask of `readers` readers. */
export function maskWords(readers: number): number {
  return (readers + 31) >>> 5;
}

/** Bytes of an entry before its frame, in a ring with `readers` readers: a multiple of 8. */
function headerSize(readers: number): number {
  return LENGTHS + ((maskWords(readers) * 4 + 7) & ~7);
}

/** Bytes that an entry takes in a ring with `readers` readers. */
export function entrySize(readers: number, topicLength: number, frameLength: number): number {
  return (headerSize(readers) + topicLength + frameLength + 7) & ~7;
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
  readonly #readers: number;
  readonly #active: boolean[];
  /** The last head that each reader was told: what its read position becomes once it is idle. */
  readonly #told: Int32Array;
  /** The readers of what is written and not yet published. */
  readonly #concerned: Uint32Array;
  /** Where the next entry goes. */
  #end: number;
  /** The shared head: behind {@link #end} by what is written and not yet published. */
  #head: number;
  /** Bytes surely free. Readers only ever free more, so they are asked again only when this is not enough. */
  #free: number;

  /** `position` is where the ring starts to run, for tests just below the wrap. */
  constructor(memory: RingMemory, position = 0) {
    this.#views = viewRing(memory);
    this.#readers = memory.readers;
    this.#active = new Array<boolean>(memory.readers).fill(false);
    this.#told = new Int32Array(memory.readers);
    this.#concerned = new Uint32Array(maskWords(memory.readers));
    this.#end = position;
    this.#head = position;
    this.#free = this.#views.capacity;
    Atomics.store(this.#views.control, 0, position);
  }

  get capacity(): number {
    return this.#views.capacity;
  }

  /** Bytes that an entry takes. */
  entrySize(topicLength: number, frameLength: number): number {
    return entrySize(this.#readers, topicLength, frameLength);
  }

  /**
   * Lets `reader` take part, from the published head on: what is written and not yet published is seen by it. It must
   * hold nothing of the ring at this time.
   */
  attach(reader: number): void {
    this.#told[reader] = this.#head;
    Atomics.store(this.#views.control, readIndex(reader), this.#head);
    this.#active[reader] = true;
  }

  /** Stops waiting for `reader`: it is gone, and so is its claim on what it has not read. */
  detach(reader: number): void {
    this.#active[reader] = false;
  }

  /** Bytes in use: what is not yet published, and what the slowest reader that is due has not read. */
  used(): number {
    const { control } = this.#views;
    let most = this.#behind(this.#head);
    for (let reader = 0; reader < this.#readers; reader += 1) {
      if (!this.#active[reader]) continue;
      const read = Atomics.load(control, readIndex(reader));
      if (read !== this.#told[reader]) most = Math.max(most, this.#behind(read));
    }
    return most;
  }

  /** Writes all of `entries` or, where there is no room for all, none. Nothing is visible before {@link publish}. */
  write(entries: readonly RingEntry[]): boolean {
    const { capacity } = this.#views;
    let needed = 0;
    for (const { topic, frame } of entries) {
      const size = this.entrySize(topic.length, frame.length);
      if (size > capacity) return false;
      needed += this.#lost(this.#end + needed, size) + size;
    }
    if (needed > this.#free) {
      this.#free = capacity - this.used();
      if (needed > this.#free) return false;
    }
    this.#free -= needed;
    for (const entry of entries) this.#put(entry);
    return true;
  }

  /**
   * Makes everything written so far visible. `wake` is told of each reader that has something in it, and must post it the
   * head to read up to.
   */
  publish(wake: (reader: number, head: number) => void): void {
    const begin = this.#head;
    const head = this.#end;
    Atomics.store(this.#views.control, 0, head);
    this.#head = head;
    for (const [word, mask] of this.#concerned.entries()) {
      for (let bits = mask; bits !== 0; bits &= bits - 1) {
        const reader = word * 32 + 31 - Math.clz32(bits & -bits);
        if (!this.#active[reader]) continue;
        this.#tell(reader, begin, head);
        wake(reader, head);
      }
    }
    this.#concerned.fill(0);
  }

  /** The reader is due up to `head`; one that was idle begins at `begin`. */
  #tell(reader: number, begin: number, head: number): void {
    const { control } = this.#views;
    const index = readIndex(reader);
    if (Atomics.load(control, index) === this.#told[reader]) Atomics.store(control, index, begin);
    this.#told[reader] = head;
  }

  /** Bytes from `position` to the end of what is written. */
  #behind(position: number): number {
    const { capacity } = this.#views;
    return (this.#end - position + 2 * capacity) % (2 * capacity);
  }

  /** Bytes that a filler takes before an entry of `size` at position `end`. */
  #lost(end: number, size: number): number {
    const { capacity } = this.#views;
    const left = capacity - (end % capacity);
    return size > left ? left : 0;
  }

  #put({ topic, frame, flags, readers }: RingEntry): void {
    const { capacity, bytes, words } = this.#views;
    const size = this.entrySize(topic.length, frame.length);
    const lost = this.#lost(this.#end, size);
    if (lost > 0) {
      const word = (this.#end % capacity) / 4;
      words[word + 1] = FILLER << 16;
      this.#end = (this.#end + lost) % (2 * capacity);
    }
    const at = this.#end % capacity;
    words[at / 4] = frame.length;
    words[at / 4 + 1] = (flags << 16) | topic.length;
    for (let word = 0; word < this.#concerned.length; word += 1) {
      const mask = readers[word] ?? 0;
      words[(at + LENGTHS) / 4 + word] = mask;
      this.#concerned[word] = (this.#concerned[word] ?? 0) | mask;
    }
    const start = at + headerSize(this.#readers);
    bytes.set(frame, start);
    bytes.set(topic, start + frame.length);
    this.#end = (this.#end + size) % (2 * capacity);
  }
}

/** Takes one frame. Both views lie in shared memory and are valid until it returns. */
type FrameVisitor = (topic: Uint8Array, frame: Uint8Array, flags: number) => void;

/** One of the N readers, in its own thread. */
export class RingReader {
  readonly #views: RingViews;
  readonly #readers: number;
  /** Of its read position in `control`. */
  readonly #index: number;
  /** Of the word with its bit in an entry, in words from the entry's begin, and that bit. */
  readonly #word: number;
  readonly #bit: number;

  /** `reader` must be attached by the writer before. */
  constructor(memory: RingMemory, reader: number) {
    this.#views = viewRing(memory);
    this.#readers = memory.readers;
    this.#index = readIndex(reader);
    this.#word = LENGTHS / 4 + (reader >>> 5);
    this.#bit = 1 << (reader & 31);
  }

  /**
   * Visits every entry for this reader up to `head`, never further, then frees them. `head` must come from the writer's
   * wake-ups, each once and in order. If `visit` throws, nothing is freed and the reader must be detached.
   * @throws VolleyError RING_CORRUPT
   */
  read(head: number, visit: FrameVisitor): void {
    const { capacity, bytes, words, control } = this.#views;
    const header = headerSize(this.#readers);
    let position = Atomics.load(control, this.#index);
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
      const size = entrySize(this.#readers, topicLength, frameLength);
      const left = (head - position + 2 * capacity) % (2 * capacity);
      if (topicLength === 0 || size > left || at + size > capacity) {
        throw new VolleyError('RING_CORRUPT', `no entry at position ${position}, head ${head}`);
      }
      if (((words[at / 4 + this.#word] ?? 0) & this.#bit) !== 0) {
        const frame = at + header;
        const topic = frame + frameLength;
        visit(bytes.subarray(topic, topic + topicLength), bytes.subarray(frame, topic), flags);
      }
      position = (position + size) % (2 * capacity);
    }
    Atomics.store(control, this.#index, head);
  }
}
