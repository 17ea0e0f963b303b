import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { runs } from '../testing/properties.ts';
import { BINARY, createRing, entrySize, maskWords, type RingEntry, RingReader, RingWriter } from './frame-ring.ts';

const CORRUPT = expect.objectContaining({ name: 'VolleyError', code: 'RING_CORRUPT' });

interface Seen {
  readonly topic: number[];
  readonly frame: number[];
  readonly flags: number;
}

/** The mask of these readers, in a ring of at most 32. */
function maskOf(...readers: number[]): Uint32Array {
  return Uint32Array.of(readers.reduce((mask, reader) => mask | (1 << reader), 0));
}

/** Bytes before the frame in a ring of at most 64 readers: two lengths and a mask of two words. */
const HEADER = 16;

/** An entry of `size` bytes in the ring, its frame filled with `fill`, for `readers`. */
function entry(size: number, fill = 1, readers = maskOf(0, 1)): RingEntry {
  return { topic: new Uint8Array([116]), frame: new Uint8Array(size - HEADER - 1).fill(fill), flags: BINARY, readers };
}

function readAll(reader: RingReader, head: number): Seen[] {
  const seen: Seen[] = [];
  reader.read(head, (topic, frame, flags) => seen.push({ topic: [...topic], frame: [...frame], flags }));
  return seen;
}

function seenOf({ topic, frame, flags }: RingEntry): Seen {
  return { topic: [...topic], frame: [...frame], flags };
}

function fills(seen: readonly Seen[]): (number | undefined)[] {
  return seen.map(({ frame }) => frame[0]);
}

/** Publishes; gives the readers that are to be woken and the head that each is told. */
function publish(writer: RingWriter): Map<number, number> {
  const woken = new Map<number, number>();
  writer.publish((reader, head) => woken.set(reader, head));
  return woken;
}

/** Publishes what has something for reader 0; gives the head that it is told. */
function headOf(writer: RingWriter): number {
  return publish(writer).get(0) ?? Number.NaN;
}

/** A ring with one attached reader. */
function ring(capacity: number, position = 0): { memory: SharedArrayBuffer; writer: RingWriter; reader: RingReader } {
  const memory = createRing(capacity, 1);
  const writer = new RingWriter(memory, position);
  writer.attach(0);
  return { memory: memory.buffer, writer, reader: new RingReader(memory, 0) };
}

describe('an entry', () => {
  it('takes lengths, mask, topic and frame, rounded up to 8', () => {
    const sizes = (readers: number) => [entrySize(readers, 1, 0), entrySize(readers, 3, 6), entrySize(readers, 8, 8)];
    expect(sizes(1)).toEqual([24, 32, 32]);
    expect(sizes(64)).toEqual([24, 32, 32]);
    expect(sizes(65)).toEqual([32, 40, 40]);
    expect(sizes(256)).toEqual([48, 56, 56]);
  });

  it('comes out as it went in, whatever its lengths and flags', () => {
    const { writer, reader } = ring(512);
    const entries = [0, 1, 7, 8, 9, 100].map((length, i) => ({
      topic: new Uint8Array(i + 1).fill(i),
      frame: Uint8Array.from({ length }, (_, k) => k * 3),
      flags: i % 2,
      readers: maskOf(0),
    }));
    expect(writer.write(entries)).toBe(true);
    expect(readAll(reader, headOf(writer))).toEqual(entries.map(seenOf));
  });

  it('is handed out as two views of the shared memory, not as copies', () => {
    const { memory, writer, reader } = ring(64);
    writer.write([entry(32)]);
    const buffers: unknown[] = [];
    reader.read(headOf(writer), (topic, frame) => buffers.push(topic.buffer, frame.buffer));
    expect(buffers).toEqual([memory, memory]);
    expect(buffers.every((buffer) => buffer === memory)).toBe(true);
  });

  it('begins its frame at a multiple of 8, whatever the number of readers', () => {
    for (const readers of [1, 32, 33, 64, 65, 96, 97, 256]) {
      const memory = createRing(1_024, readers);
      const writer = new RingWriter(memory);
      writer.attach(readers - 1);
      const mask = new Uint32Array(maskWords(readers)).fill(0xffffffff);
      writer.write([1, 2, 9].map((length) => ({ ...entry(32), topic: new Uint8Array(length), readers: mask })));
      const starts: number[] = [];
      const reader = new RingReader(memory, readers - 1);
      reader.read(publish(writer).get(readers - 1) ?? 0, (_topic, frame) => starts.push(frame.byteOffset % 8));
      expect(starts, `${readers} readers`).toEqual([0, 0, 0]);
    }
  });

  it('that ends with the data is followed by one at its beginning, with no filler', () => {
    const { writer, reader } = ring(64, 40);
    expect(writer.write([entry(24, 1), entry(40, 2)])).toBe(true);
    expect(writer.used()).toBe(64);
    expect(fills(readAll(reader, headOf(writer)))).toEqual([1, 2]);
  });

  it('that does not fit before the end of data goes to its beginning, and readers never see the filler', () => {
    const { writer, reader } = ring(64, 32);
    expect(writer.write([entry(24, 1), entry(24, 2)])).toBe(true);
    expect(writer.used()).toBe(24 + 8 + 24);
    expect(fills(readAll(reader, headOf(writer)))).toEqual([1, 2]);
    expect(writer.used()).toBe(0);
  });
});

describe('a writer', () => {
  it('shows nothing before it publishes, then everything at once', () => {
    const { memory, writer, reader } = ring(64);
    const head = () => Atomics.load(new Int32Array(memory), 0);
    writer.write([entry(24, 1)]);
    writer.write([entry(24, 2)]);
    expect(head()).toBe(0);
    expect(writer.used()).toBe(48);
    expect(headOf(writer)).toBe(48);
    expect(head()).toBe(48);
    expect(fills(readAll(reader, 48))).toEqual([1, 2]);
  });

  it('fills the ring to the last byte, and a full ring is not an empty one', () => {
    for (const start of [0, 64, 120]) {
      const { writer, reader } = ring(64, start);
      const sizes = start === 120 ? [32, 24] : [32, 32];
      for (const [i, size] of sizes.entries()) expect(writer.write([entry(size, i)])).toBe(true);
      expect(writer.used()).toBe(64);
      expect(writer.write([entry(24)])).toBe(false);
      expect(fills(readAll(reader, headOf(writer))), `from ${start}`).toEqual([0, 1]);
      expect(writer.used()).toBe(0);
    }
  });

  it('writes all of a push or, where there is no room for all, none', () => {
    const { writer, reader } = ring(96);
    writer.write([entry(40, 1)]);
    expect(writer.write([entry(32, 2), entry(32, 3)])).toBe(false);
    expect(writer.used()).toBe(40);
    expect(writer.write([entry(32, 4), entry(24, 5)])).toBe(true);
    expect(fills(readAll(reader, headOf(writer)))).toEqual([1, 4, 5]);
  });

  it('counts the filler before it says that there is room', () => {
    const { writer } = ring(64, 40);
    expect(writer.write([entry(32), entry(24)])).toBe(false);
    expect(writer.write([entry(32), entry(16 + 8)])).toBe(false);
    expect(writer.write([entry(40)])).toBe(true);
  });

  it('refuses what is larger than the ring', () => {
    const { writer } = ring(64);
    expect(writer.write([entry(72)])).toBe(false);
    expect(writer.write([entry(64)])).toBe(true);
  });

  it('finds room in an empty ring for any push of half its capacity, wherever it stands', () => {
    const sizes = fc.array(
      fc.integer({ min: 3, max: 16 }).map((words) => words * 8),
      { minLength: 1, maxLength: 8 },
    );
    fc.assert(
      fc.property(sizes, fc.nat(31), (given, start) => {
        const total = given.reduce((sum, size) => sum + size, 0);
        fc.pre(total <= 64);
        const { writer, reader } = ring(128, start * 8);
        expect(writer.write(given.map((size) => entry(size)))).toBe(true);
        expect(readAll(reader, headOf(writer))).toHaveLength(given.length);
      }),
    );
  });

  it('waits for nobody where nobody is attached, and wakes nobody', () => {
    const writer = new RingWriter(createRing(64, 2));
    for (let i = 0; i < 10; i += 1) {
      expect(writer.write([entry(40)])).toBe(true);
      expect(publish(writer).size).toBe(0);
    }
    expect(writer.used()).toBe(0);
  });

  it('never writes over what is not published, though nobody has to read before it is', () => {
    const { writer, reader } = ring(64);
    expect(writer.write([entry(40, 1)])).toBe(true);
    expect(writer.write([entry(24, 2)])).toBe(true);
    expect(writer.write([entry(24, 3)])).toBe(false);
    expect(fills(readAll(reader, headOf(writer)))).toEqual([1, 2]);
    expect(writer.write([entry(24, 3)])).toBe(true);
  });

  it('counts positions in the largest ring that can be set without going wrong', () => {
    const capacity = 2 ** 29;
    const { writer, reader } = ring(capacity, 2 * capacity - 24);
    expect(writer.write([entry(24, 1), entry(40, 2)])).toBe(true);
    expect(headOf(writer)).toBe(40);
    expect(writer.used()).toBe(64);
    expect(fills(readAll(reader, 40))).toEqual([1, 2]);
    expect(writer.used()).toBe(0);
  });
});

describe('readers', () => {
  function pair(): { writer: RingWriter; quick: RingReader; slow: RingReader } {
    const memory = createRing(64, 2);
    const writer = new RingWriter(memory, 104);
    writer.attach(0);
    writer.attach(1);
    return { writer, quick: new RingReader(memory, 0), slow: new RingReader(memory, 1) };
  }

  it('each see every entry for them, and the slowest decides what is free', () => {
    const { writer, quick, slow } = pair();
    writer.write([entry(24, 1), entry(24, 2)]);
    const head = headOf(writer);
    expect(fills(readAll(quick, head))).toEqual([1, 2]);
    expect(writer.used()).toBe(48);
    expect(writer.write([entry(24, 3)])).toBe(false);
    expect(fills(readAll(slow, head))).toEqual([1, 2]);
    expect(writer.used()).toBe(0);
    expect(writer.write([entry(24, 3)])).toBe(true);
  });

  it('read up to the head that they were told, never further', () => {
    const { writer, quick } = pair();
    writer.write([entry(24, 1)]);
    const first = headOf(writer);
    writer.write([entry(24, 2)]);
    const second = headOf(writer);
    expect(fills(readAll(quick, first))).toEqual([1]);
    expect(fills(readAll(quick, first))).toEqual([]);
    expect(fills(readAll(quick, second))).toEqual([2]);
  });

  it('that are gone hold nothing back, and one that comes in their place starts at the published head', () => {
    const memory = createRing(64, 1);
    const writer = new RingWriter(memory);
    writer.attach(0);
    writer.write([entry(64, 1)]);
    publish(writer);
    expect(writer.write([entry(32, 2)])).toBe(false);
    writer.detach(0);
    expect(writer.write([entry(32, 2)])).toBe(true);
    publish(writer);
    writer.attach(0);
    const next = new RingReader(memory, 0);
    writer.write([entry(32, 3)]);
    expect(fills(readAll(next, headOf(writer)))).toEqual([3]);
  });

  it('that come before a push is published see it', () => {
    const memory = createRing(64, 1);
    const writer = new RingWriter(memory, 112);
    writer.write([entry(24, 1), entry(24, 2)]);
    writer.attach(0);
    expect(fills(readAll(new RingReader(memory, 0), headOf(writer)))).toEqual([1, 2]);
  });

  it('free nothing of what they could not take', () => {
    const { writer, reader } = ring(64);
    writer.write([entry(32, 1), entry(32, 2)]);
    const head = headOf(writer);
    const fail = () => {
      throw new Error('visit failed');
    };
    expect(() => reader.read(head, fail)).toThrow('visit failed');
    expect(writer.used()).toBe(64);
  });

  it('refuse a head that is not the end of an entry', () => {
    const { writer, reader } = ring(64);
    writer.write([entry(32, 1)]);
    const head = headOf(writer);
    const visited: number[] = [];
    expect(() => reader.read(head - 8, (_topic, frame) => visited.push(frame.length))).toThrow(CORRUPT);
    expect(visited).toEqual([]);
    expect(() => readAll(reader, head + 8)).toThrow(CORRUPT);
    expect(writer.used()).toBe(32);
  });

  it('refuse an entry that claims to reach beyond the data', () => {
    const { memory, writer, reader } = ring(64, 32);
    writer.write([entry(32, 1), entry(24, 2)]);
    const head = headOf(writer);
    new Uint32Array(memory)[(128 + 32) / 4] = 30;
    const visited: number[] = [];
    expect(() => reader.read(head, (_topic, frame) => visited.push(frame.length))).toThrow(CORRUPT);
    expect(visited).toEqual([]);
  });
});

describe('a reader that an entry is not for', () => {
  const readers = 70;
  const only = (reader: number): Uint32Array => {
    const mask = new Uint32Array(maskWords(readers));
    mask[reader >>> 5] = 1 << (reader & 31);
    return mask;
  };

  it('is not woken, the others each once a commit, with its head', () => {
    // 48 bytes before the wrap, where an entry does not fit: with a mask of four words it takes 56.
    const writer = new RingWriter(createRing(1_024, readers), 2_000);
    for (let reader = 0; reader < readers; reader += 1) if (reader !== 63) writer.attach(reader);
    writer.write([entry(48, 1, only(5)), entry(48, 2, only(31))]);
    writer.write([entry(48, 3, only(5)), entry(48, 4, only(63)), entry(48, 5, only(69))]);
    expect([...publish(writer)]).toEqual([5, 31, 69].map((reader) => [reader, 5 * 56]));
    writer.write([entry(48, 1, only(32))]);
    expect([...publish(writer).keys()]).toEqual([32]);
    expect([...publish(writer).keys()]).toEqual([]);
  });

  it('steps over it', () => {
    const memory = createRing(1_024, readers);
    const writer = new RingWriter(memory, 1_000);
    for (const reader of [31, 32, 64]) writer.attach(reader);
    const order = [64, 31, 32, 31, 64, 32];
    writer.write(order.map((reader, i) => entry(48, i, only(reader))));
    const woken = publish(writer);
    const got = [31, 32, 64].map((reader) => fills(readAll(new RingReader(memory, reader), woken.get(reader) ?? 0)));
    expect(got).toEqual([
      [1, 3],
      [2, 5],
      [0, 4],
    ]);
  });

  it('holds no space, however often the ring goes round, and begins at the commit that is for it', () => {
    const memory = createRing(128, 2);
    const writer = new RingWriter(memory, 248);
    writer.attach(0);
    writer.attach(1);
    const [busy, idle] = [new RingReader(memory, 0), new RingReader(memory, 1)];
    for (let round = 0; round < 5; round += 1) {
      for (let i = 0; i < 7 * round; i += 1) {
        expect(writer.write([entry(40, i, maskOf(0))])).toBe(true);
        expect(fills(readAll(busy, headOf(writer)))).toEqual([i]);
        expect(writer.used()).toBe(0);
      }
      writer.write([entry(32, 1, maskOf(0)), entry(24, 2, maskOf(1))]);
      const woken = publish(writer);
      expect(fills(readAll(busy, woken.get(0) ?? 0))).toEqual([1]);
      expect(writer.used()).toBeGreaterThanOrEqual(56);
      expect(fills(readAll(idle, woken.get(1) ?? 0))).toEqual([2]);
      expect(writer.used()).toBe(0);
    }
  });

  it('and that has not read what it was woken for before holds that, and nothing else', () => {
    const memory = createRing(128, 2);
    const writer = new RingWriter(memory);
    writer.attach(0);
    writer.attach(1);
    const [busy, slow] = [new RingReader(memory, 0), new RingReader(memory, 1)];
    writer.write([entry(32, 1, maskOf(1))]);
    const first = publish(writer).get(1) ?? 0;
    for (const fill of [2, 3]) {
      writer.write([entry(32, fill, maskOf(0))]);
      readAll(busy, headOf(writer));
    }
    writer.write([entry(32, 4, maskOf(1))]);
    const second = publish(writer).get(1) ?? 0;
    expect(writer.write([entry(24, 5, maskOf(0))])).toBe(false);
    expect(fills(readAll(slow, first))).toEqual([1]);
    expect(writer.used()).toBe(96);
    expect(fills(readAll(slow, second))).toEqual([4]);
    expect(writer.used()).toBe(0);
  });
});

/** An entry as a list that is still there when the ring's bytes are not. */
type ModelEntry = [topic: number[], frame: number[], flags: number];

function seen({ topic, frame, flags }: Omit<RingEntry, 'readers'>): ModelEntry {
  return [[...topic], [...frame], flags];
}

/** What a test does to ring and model alike: `commit` writes each push and publishes. */
type Step =
  | { do: 'commit'; pushes: RingEntry[][] }
  | { do: 'read'; reader: number; heads: number }
  | { do: 'attach' | 'detach'; reader: number };

/** In a ring of so many readers these take part, on both words of the mask and at their ends. */
const READERS = 64;
const TAKING_PART = [0, 31, 32, 63];

function isFor({ readers }: RingEntry, reader: number): boolean {
  return ((readers[reader >>> 5] ?? 0) & (1 << (reader & 31))) !== 0;
}

const anyMask = fc.subarray(TAKING_PART, { minLength: 1 }).map((readers) => {
  const mask = new Uint32Array(2);
  for (const reader of readers) mask[reader >>> 5] = (mask[reader >>> 5] ?? 0) | (1 << (reader & 31));
  return mask;
});
const anyEntry: fc.Arbitrary<RingEntry> = fc.record({
  topic: fc.uint8Array({ minLength: 1, maxLength: 12 }),
  frame: fc.uint8Array({ maxLength: 60 }),
  flags: fc.constantFrom(0, BINARY),
  readers: anyMask,
});
const anyReader = fc.constantFrom(...TAKING_PART);
const anyPush = fc.array(anyEntry, { minLength: 1, maxLength: 3 });
const anyStep: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ do: fc.constant('commit'), pushes: fc.array(anyPush, { maxLength: 3 }) }) },
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant('read'), reader: anyReader, heads: fc.integer({ min: 1, max: 4 }) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('attach', 'detach'), reader: anyReader }) },
);

/** Where a ring of `words` × 8 bytes may start: mostly just below the end of its data, the first time and the second. */
function startOf(words: number, turn: number, below: number): number {
  return ((words * turn - below + 2 * words) % (2 * words)) * 8;
}

/**
 * What a reader of the model has before it: the heads that it was told of, its entries up to each, and where what it
 * holds of the ring begins, in bytes that only ever rise. It holds nothing while it has nothing to read.
 */
interface Queue {
  readonly reader: RingReader;
  readonly told: { head: number; position: number; entries: RingEntry[] }[];
  position: number;
}

describe('a ring against a plain queue', () => {
  it('gives every reader every entry for it once, in order, wakes no other, and refuses only what does not fit', () => {
    const rings = fc.record({ words: fc.integer({ min: 8, max: 40 }), turn: fc.nat(2), below: fc.nat(7) });
    fc.assert(
      fc.property(rings, fc.array(anyStep, { maxLength: 60 }), ({ words, turn, below }, steps) => {
        const capacity = words * 8;
        const memory = createRing(capacity, READERS);
        let end = startOf(words, turn, below);
        let published = end;
        const writer = new RingWriter(memory, end);
        const queues = new Map<number, Queue>();

        const attach = (reader: number) => {
          writer.attach(reader);
          queues.set(reader, { reader: new RingReader(memory, reader), told: [], position: end });
        };
        const slowest = () =>
          Math.min(published, ...[...queues.values()].filter(({ told }) => told.length > 0).map((due) => due.position));
        const write = (push: RingEntry[]) => {
          let next = end;
          for (const { topic, frame } of push) {
            const size = Math.ceil((HEADER + topic.length + frame.length) / 8) * 8;
            if ((next % capacity) + size > capacity) next = Math.ceil(next / capacity) * capacity;
            next += size;
          }
          const fits = next - slowest() <= capacity;
          expect(writer.write(push)).toBe(fits);
          if (fits) end = next;
          return fits ? push : [];
        };
        const publish = (entries: RingEntry[]) => {
          const woken = new Map<number, number>();
          writer.publish((reader, head) => woken.set(reader, head));
          const expected = [...queues.keys()].filter((reader) => entries.some((entry) => isFor(entry, reader)));
          expect([...woken.keys()]).toEqual(expected.sort((a, b) => a - b));
          for (const [reader, head] of woken) {
            const queue = queues.get(reader);
            if (queue === undefined) continue;
            if (queue.told.length === 0) queue.position = published;
            queue.told.push({ head, position: end, entries: entries.filter((entry) => isFor(entry, reader)) });
          }
          published = end;
        };
        const read = (queue: Queue | undefined, heads: number) => {
          for (const { head, position, entries } of queue?.told.splice(0, heads) ?? []) {
            const got: ModelEntry[] = [];
            queue?.reader.read(head, (topic, frame, flags) => got.push(seen({ topic, frame, flags })));
            expect(got).toEqual(entries.map(seen));
            if (queue !== undefined) queue.position = position;
          }
        };

        attach(0);
        attach(32);
        for (const step of steps) {
          if (step.do === 'commit') {
            publish(step.pushes.flatMap(write));
          } else if (step.do === 'read') {
            read(queues.get(step.reader), step.heads);
          } else if (step.do === 'detach') {
            writer.detach(step.reader);
            queues.delete(step.reader);
          } else if (!queues.has(step.reader)) {
            attach(step.reader);
          }
          expect(writer.used()).toBe(end - slowest());
        }
        for (const queue of queues.values()) read(queue, Number.POSITIVE_INFINITY);
        expect(writer.used()).toBe(0);
      }),
      { numRuns: runs(125) },
    );
  });
});
