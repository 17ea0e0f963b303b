import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { runs } from '../property-runs.fixture.ts';
import { BINARY, createRing, type RingEntry, RingReader, RingWriter } from './frame-ring.ts';

/** An entry as a list that is still there when the ring's bytes are not. */
type Seen = [topic: number[], frame: number[], flags: number];

function seen({ topic, frame, flags }: Omit<RingEntry, 'readers'>): Seen {
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

/** Bytes of an entry before its frame. */
const HEADER = 16;

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
            const got: Seen[] = [];
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
