import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BINARY, createRing, type RingEntry, RingReader, RingWriter } from './frame-ring.ts';

/** An entry as a list that is still there when the ring's bytes are not. */
type Seen = [topic: number[], frame: number[], flags: number];

function seen({ topic, frame, flags }: RingEntry): Seen {
  return [[...topic], [...frame], flags];
}

/** What a test does to ring and model alike: `commit` writes each push and publishes. */
type Step =
  | { do: 'commit'; pushes: RingEntry[][] }
  | { do: 'read'; reader: number; heads: number }
  | { do: 'attach' | 'detach'; reader: number };

const READERS = 3;

const anyEntry: fc.Arbitrary<RingEntry> = fc.record({
  topic: fc.uint8Array({ minLength: 1, maxLength: 12 }),
  frame: fc.uint8Array({ maxLength: 60 }),
  flags: fc.constantFrom(0, BINARY),
});
const anyReader = fc.nat(READERS - 1);
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
 * What a reader of the model has before it: the heads that it was told of, the entries up to each, and how far it is,
 * in bytes that only ever rise.
 */
interface Queue {
  readonly reader: RingReader;
  readonly told: { head: number; position: number; entries: RingEntry[] }[];
  position: number;
}

describe('a ring against a plain queue', () => {
  it('gives every reader every entry once, in order, and refuses only what does not fit', () => {
    const rings = fc.record({ words: fc.integer({ min: 8, max: 40 }), turn: fc.nat(2), below: fc.nat(7) });
    fc.assert(
      fc.property(rings, fc.array(anyStep, { maxLength: 60 }), ({ words, turn, below }, steps) => {
        const capacity = words * 8;
        const memory = createRing(capacity, READERS);
        let end = startOf(words, turn, below);
        const writer = new RingWriter(memory, end);
        const queues: (Queue | undefined)[] = [];

        const attach = (reader: number) => {
          queues[reader] = { reader: new RingReader(memory, reader, writer.attach(reader)), told: [], position: end };
        };
        const slowest = () => Math.min(end, ...queues.flatMap((queue) => queue?.position ?? []));
        const write = (push: RingEntry[]) => {
          let next = end;
          for (const { topic, frame } of push) {
            const size = Math.ceil((8 + topic.length + frame.length) / 8) * 8;
            if ((next % capacity) + size > capacity) next = Math.ceil(next / capacity) * capacity;
            next += size;
          }
          const fits = next - slowest() <= capacity;
          expect(writer.write(push)).toBe(fits);
          if (fits) end = next;
          return fits ? push : [];
        };
        const read = (queue: Queue | undefined, heads: number) => {
          const told = queue?.told.splice(0, heads) ?? [];
          const last = told.at(-1);
          if (queue === undefined || last === undefined) return;
          const got: Seen[] = [];
          queue.reader.read(last.head, (topic, frame, flags) => got.push(seen({ topic, frame, flags })));
          expect(got).toEqual(told.flatMap(({ entries }) => entries.map(seen)));
          queue.position = last.position;
        };

        attach(0);
        attach(1);
        for (const step of steps) {
          if (step.do === 'commit') {
            const entries = step.pushes.flatMap(write);
            const head = writer.publish();
            for (const queue of queues) queue?.told.push({ head, position: end, entries });
          } else if (step.do === 'read') {
            read(queues[step.reader], step.heads);
          } else if (step.do === 'detach') {
            writer.detach(step.reader);
            queues[step.reader] = undefined;
          } else if (queues[step.reader] === undefined) {
            attach(step.reader);
          }
          expect(writer.used()).toBe(end - slowest());
        }
        for (const queue of queues) read(queue, Number.POSITIVE_INFINITY);
      }),
      { numRuns: 500 },
    );
  });
});
