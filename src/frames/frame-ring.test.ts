import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BINARY, createRing, entrySize, type RingEntry, RingReader, RingWriter } from './frame-ring.ts';

const CORRUPT = expect.objectContaining({ name: 'VolleyError', code: 'RING_CORRUPT' });

interface Seen {
  readonly topic: number[];
  readonly frame: number[];
  readonly flags: number;
}

/** An entry of `size` bytes in the ring, its frame filled with `fill`. */
function entry(size: number, fill = 1): RingEntry {
  return { topic: new Uint8Array([116]), frame: new Uint8Array(size - 9).fill(fill), flags: BINARY };
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

/** A ring with one attached reader. */
function ring(capacity: number, position = 0): { memory: SharedArrayBuffer; writer: RingWriter; reader: RingReader } {
  const memory = createRing(capacity, 1);
  const writer = new RingWriter(memory, position);
  return { memory: memory.buffer, writer, reader: new RingReader(memory, 0, writer.attach(0)) };
}

describe('an entry', () => {
  it('takes header, topic and frame, rounded up to 8', () => {
    expect([entrySize(1, 0), entrySize(3, 5), entrySize(3, 6), entrySize(8, 8)]).toEqual([16, 16, 24, 24]);
  });

  it('comes out as it went in, whatever its lengths and flags', () => {
    const { writer, reader } = ring(512);
    const entries = [0, 1, 7, 8, 9, 100].map((length, i) => ({
      topic: new Uint8Array(i + 1).fill(i),
      frame: Uint8Array.from({ length }, (_, k) => k * 3),
      flags: i % 2,
    }));
    expect(writer.write(entries)).toBe(true);
    expect(readAll(reader, writer.publish())).toEqual(entries.map(seenOf));
  });

  it('is handed out as two views of the shared memory, not as copies', () => {
    const { memory, writer, reader } = ring(64);
    writer.write([entry(32)]);
    const buffers: unknown[] = [];
    reader.read(writer.publish(), (topic, frame) => buffers.push(topic.buffer, frame.buffer));
    expect(buffers).toEqual([memory, memory]);
    expect(buffers.every((buffer) => buffer === memory)).toBe(true);
  });

  it('that ends with the data is followed by one at its beginning, with no filler', () => {
    const { writer, reader } = ring(64, 40);
    expect(writer.write([entry(24, 1), entry(40, 2)])).toBe(true);
    expect(writer.used()).toBe(64);
    expect(fills(readAll(reader, writer.publish()))).toEqual([1, 2]);
  });

  it('that does not fit before the end of data goes to its beginning, and readers never see the filler', () => {
    const { writer, reader } = ring(64, 40);
    expect(writer.write([entry(16, 1), entry(24, 2)])).toBe(true);
    expect(writer.used()).toBe(16 + 8 + 24);
    expect(fills(readAll(reader, writer.publish()))).toEqual([1, 2]);
    expect(writer.used()).toBe(0);
  });
});

describe('a writer', () => {
  it('shows nothing before it publishes, then everything at once', () => {
    const { memory, writer, reader } = ring(64);
    const head = () => Atomics.load(new Int32Array(memory), 0);
    writer.write([entry(16, 1)]);
    writer.write([entry(16, 2)]);
    expect(head()).toBe(0);
    expect(writer.used()).toBe(32);
    expect(writer.publish()).toBe(32);
    expect(head()).toBe(32);
    expect(fills(readAll(reader, 32))).toEqual([1, 2]);
  });

  it('fills the ring to the last byte, and a full ring is not an empty one', () => {
    for (const start of [0, 64, 120]) {
      const { writer, reader } = ring(64, start);
      const sizes = start === 120 ? [8 + 8, 40] : [32, 32];
      for (const [i, size] of sizes.entries()) expect(writer.write([entry(size, i)])).toBe(true);
      expect(writer.used()).toBe(64);
      expect(writer.write([entry(16)])).toBe(false);
      expect(fills(readAll(reader, writer.publish())), `from ${start}`).toEqual([0, 1]);
      expect(writer.used()).toBe(0);
    }
  });

  it('writes all of a push or, where there is no room for all, none', () => {
    const { writer, reader } = ring(64);
    writer.write([entry(32, 1)]);
    expect(writer.write([entry(16, 2), entry(24, 3)])).toBe(false);
    expect(writer.used()).toBe(32);
    expect(writer.write([entry(16, 4), entry(16, 5)])).toBe(true);
    expect(fills(readAll(reader, writer.publish()))).toEqual([1, 4, 5]);
  });

  it('counts the filler before it says that there is room', () => {
    const { writer } = ring(64, 40);
    expect(writer.write([entry(32), entry(16)])).toBe(false);
    expect(writer.write([entry(32), entry(8 + 8)])).toBe(false);
    expect(writer.write([entry(40)])).toBe(true);
  });

  it('refuses what is larger than the ring', () => {
    const { writer } = ring(64);
    expect(writer.write([entry(72)])).toBe(false);
    expect(writer.write([entry(64)])).toBe(true);
  });

  it('finds room in an empty ring for any push of half its capacity, wherever it stands', () => {
    const sizes = fc.array(
      fc.integer({ min: 2, max: 16 }).map((words) => words * 8),
      { minLength: 1, maxLength: 8 },
    );
    fc.assert(
      fc.property(sizes, fc.nat(31), (given, start) => {
        const total = given.reduce((sum, size) => sum + size, 0);
        fc.pre(total <= 64);
        const { writer, reader } = ring(128, start * 8);
        expect(writer.write(given.map(entry))).toBe(true);
        expect(readAll(reader, writer.publish())).toHaveLength(given.length);
      }),
    );
  });

  it('waits for nobody where nobody is attached', () => {
    const writer = new RingWriter(createRing(64, 2));
    for (let i = 0; i < 10; i += 1) {
      expect(writer.write([entry(40)])).toBe(true);
      writer.publish();
    }
    expect(writer.used()).toBe(0);
  });

  it('counts positions in the largest ring that can be set without going wrong', () => {
    const capacity = 2 ** 29;
    const { writer, reader } = ring(capacity, 2 * capacity - 16);
    expect(writer.write([entry(16, 1), entry(40, 2)])).toBe(true);
    expect(writer.publish()).toBe(40);
    expect(writer.used()).toBe(56);
    expect(fills(readAll(reader, 40))).toEqual([1, 2]);
    expect(writer.used()).toBe(0);
  });
});

describe('readers', () => {
  function pair(): { writer: RingWriter; quick: RingReader; slow: RingReader } {
    const memory = createRing(64, 2);
    const writer = new RingWriter(memory, 104);
    const quick = new RingReader(memory, 0, writer.attach(0));
    return { writer, quick, slow: new RingReader(memory, 1, writer.attach(1)) };
  }

  it('each see every entry, and the slowest decides what is free', () => {
    const { writer, quick, slow } = pair();
    writer.write([entry(24, 1), entry(24, 2)]);
    const head = writer.publish();
    expect(fills(readAll(quick, head))).toEqual([1, 2]);
    expect(writer.used()).toBe(48);
    expect(writer.write([entry(24, 3)])).toBe(false);
    expect(fills(readAll(slow, head))).toEqual([1, 2]);
    expect(writer.used()).toBe(0);
    expect(writer.write([entry(24, 3)])).toBe(true);
  });

  it('read up to the head that they were told, never further', () => {
    const { writer, quick } = pair();
    writer.write([entry(16, 1)]);
    const first = writer.publish();
    writer.write([entry(16, 2)]);
    const second = writer.publish();
    expect(fills(readAll(quick, first))).toEqual([1]);
    expect(fills(readAll(quick, first))).toEqual([]);
    expect(fills(readAll(quick, second))).toEqual([2]);
  });

  it('that are gone hold nothing back, and one that comes in their place starts at the published head', () => {
    const memory = createRing(64, 1);
    const writer = new RingWriter(memory);
    writer.attach(0);
    writer.write([entry(64, 1)]);
    writer.publish();
    expect(writer.write([entry(32, 2)])).toBe(false);
    writer.detach(0);
    expect(writer.write([entry(32, 2)])).toBe(true);
    writer.publish();
    const next = new RingReader(memory, 0, writer.attach(0));
    writer.write([entry(32, 3)]);
    expect(fills(readAll(next, writer.publish()))).toEqual([3]);
  });

  it('that come before a push is published see it', () => {
    const memory = createRing(64, 1);
    const writer = new RingWriter(memory, 112);
    writer.write([entry(16, 1), entry(16, 2)]);
    const reader = new RingReader(memory, 0, writer.attach(0));
    expect(writer.used()).toBe(32);
    expect(fills(readAll(reader, writer.publish()))).toEqual([1, 2]);
  });

  it('free nothing of what they could not take', () => {
    const { writer, reader } = ring(64);
    writer.write([entry(32, 1), entry(32, 2)]);
    const head = writer.publish();
    const fail = () => {
      throw new Error('visit failed');
    };
    expect(() => reader.read(head, fail)).toThrow('visit failed');
    expect(writer.used()).toBe(64);
  });

  it('refuse a head that is not the end of an entry', () => {
    const { writer, reader } = ring(64);
    writer.write([entry(32, 1)]);
    const head = writer.publish();
    const visited: number[] = [];
    expect(() => reader.read(head - 8, (_topic, frame) => visited.push(frame.length))).toThrow(CORRUPT);
    expect(visited).toEqual([]);
    expect(() => readAll(reader, head + 8)).toThrow(CORRUPT);
    expect(writer.used()).toBe(32);
  });

  it('refuse an entry that claims to reach beyond the data', () => {
    const { memory, writer, reader } = ring(64, 32);
    writer.write([entry(32, 1), entry(16, 2)]);
    const head = writer.publish();
    new Uint32Array(memory)[(128 + 32) / 4] = 30;
    const visited: number[] = [];
    expect(() => reader.read(head, (_topic, frame) => visited.push(frame.length))).toThrow(CORRUPT);
    expect(visited).toEqual([]);
  });
});
