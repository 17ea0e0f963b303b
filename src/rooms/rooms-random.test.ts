/** Rooms under any interleaving of comments, answers, tails, commits and other nodes' batches. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { StoredBatch } from '../store/store.ts';
import { FakeStore } from '../store/store-fake.fixture.ts';
import { batchOf, createRooms, draftOf, Receipts, type RoomsRig, textsOf } from './rooms.fixture.ts';

const NAMES = ['a', 'b'] as const;
const INTERVAL = 100;

const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('offer'), room: fc.constantFrom(...NAMES) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('advance'), ms: fc.integer({ min: 1, max: 150 }) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom('store', 'fail'), room: fc.constantFrom(...NAMES) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('answer'), which: fc.nat(3) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('deliver'), room: fc.constantFrom(...NAMES) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('other'), room: fc.constantFrom(...NAMES), hole: fc.nat(3) }) },
  { weight: 2, arbitrary: fc.constant({ kind: 'commit' }) },
);

interface Step {
  readonly kind: string;
  readonly room?: string;
  readonly ms?: number;
  readonly which?: number;
  readonly hole?: number;
}

/** The world round the rooms: what the store has and has not yet told, and what senders were told. */
class World {
  readonly receipts = new Receipts();
  readonly offered: string[] = [];
  readonly logs = new Map<string, StoredBatch[]>(NAMES.map((name) => [name, []]));
  readonly #rig: RoomsRig<FakeStore>;
  readonly #answers: (() => void)[] = [];
  readonly #untold = new Map<string, StoredBatch[]>(NAMES.map((name) => [name, []]));
  readonly #newest = new Map<string, number>();

  constructor(rig: RoomsRig<FakeStore>) {
    this.#rig = rig;
  }

  async run({ kind, room = 'a', ms = 0, which = 0, hole = 0 }: Step): Promise<void> {
    const { store, sink, clock } = this.#rig;
    const waits = store.waiting.some((waiting) => waiting.room === room);
    if (kind === 'offer') this.#offer(room);
    if (kind === 'advance') await clock.advance(ms);
    if (kind === 'store' && waits) {
      const { stored, answer } = store.store(room, this.#next(room, hole));
      this.#keep(stored);
      this.#answers.push(answer);
    }
    if (kind === 'fail' && waits) store.fail(room);
    if (kind === 'answer') this.#answers.splice(which % Math.max(1, this.#answers.length), 1)[0]?.();
    if (kind === 'deliver') store.deliver(...(this.#untold.get(room)?.splice(0, 2) ?? []));
    if (kind === 'other') this.#keep(store.put(room, batchOf('theirs'), this.#next(room, hole)));
    if (kind === 'commit') sink.commit();
    await clock.advance(0);
    expect(new Set(store.waiting.map((waiting) => waiting.room)).size).toBe(store.waiting.length);
  }

  /** Drains, and lets everything that is on its way arrive. */
  async finish(): Promise<void> {
    const drained = this.#rig.rooms.drain();
    for (let i = 0; i < 1_000 && this.#busy(); i += 1) {
      for (const room of NAMES) {
        for (const kind of ['store', 'deliver', 'answer', 'commit']) await this.run({ kind, room });
      }
      await this.run({ kind: 'advance', ms: INTERVAL });
    }
    expect(this.#rig.store.waiting).toEqual([]);
    await drained;
  }

  #busy(): boolean {
    const { rooms, store } = this.#rig;
    const open = [...rooms.all()].some(({ phase, tail }) => phase !== 'idle' || tail.length > 0);
    const untold = [...this.#untold.values()].some((batches) => batches.length > 0);
    return open || untold || store.waiting.length > 0 || this.#answers.length > 0;
  }

  #offer(room: string): void {
    const number = this.offered.length;
    const refused = this.#rig.rooms.offer(room, draftOf(`${room}${number}`), this.receipts, number);
    expect(refused).toBeUndefined();
    this.offered.push(`${room}${number}`);
  }

  #next(room: string, hole: number): number {
    const seq = (this.#newest.get(room) ?? 0) + 1 + hole;
    this.#newest.set(room, seq);
    return seq;
  }

  #keep(batch: StoredBatch): void {
    this.logs.get(batch.room)?.push(batch);
    this.#untold.get(batch.room)?.push(batch);
  }
}

describe('rooms on any store', () => {
  it('store or fail every comment once, push every batch of the log once and in order', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 120, size: 'max' }), async (steps) => {
        const rig = await createRooms(new FakeStore(), { interval: INTERVAL, maxBatch: 3, maxPushBytes: 150 });
        rig.sink.holds = true;
        for (const name of NAMES) rig.rooms.join(name, 0, 0, 1);
        const world = new World(rig);
        for (const one of steps) await world.run(one);
        await world.finish();
        checkSenders(world, rig);
        for (const name of NAMES) checkPushes(name, world, rig);
      }),
      { numRuns: 150 },
    );
  });

  it('never append sooner than the interval', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 50, maxLength: 150, size: 'max' }), async (steps) => {
        const rig = await createRooms(new FakeStore(), { interval: INTERVAL, maxBatch: 3 });
        const world = new World(rig);
        const at = new Map<string, number>();
        let seen = 0;
        for (const one of steps) {
          for (const ms of one.kind === 'advance' ? new Array<number>((one as Step).ms ?? 0).fill(1) : [0]) {
            await world.run(ms === 0 ? one : { kind: 'advance', ms });
            for (const { room } of rig.store.appended.slice(seen)) {
              const since = rig.clock.now() - (at.get(room) ?? Number.NEGATIVE_INFINITY);
              expect(since).toBeGreaterThanOrEqual(INTERVAL);
              at.set(room, rig.clock.now());
            }
            seen = rig.store.appended.length;
          }
        }
      }),
      { numRuns: 20 },
    );
  });
});

function checkSenders({ offered, receipts, logs }: World, { store, rooms }: RoomsRig<FakeStore>): void {
  const appended = store.appended.flatMap(({ batch }) => textsOf(batch));
  expect([...appended].sort()).toEqual([...offered].sort());
  const places = new Map(
    [...logs.values()]
      .flat()
      .flatMap((batch) => textsOf(batch).map((text, i) => [`${batch.room}:${batch.seq}.${i}`, text])),
  );
  for (const [number, text] of offered.entries()) {
    const id = receipts.ids.get(number);
    expect(id === undefined).toBe(receipts.codes.has(number));
    if (id !== undefined) expect(places.get(`${text[0]}:${id}`)).toBe(text);
  }
  expect(rooms.pending).toBe(0);
}

function checkPushes(name: string, { logs }: World, { sink, rooms }: RoomsRig<FakeStore>): void {
  const log = logs.get(name) ?? [];
  const pushes = sink.pushes.filter(({ room }) => room === name);
  expect(pushes.flatMap(({ seqs }) => seqs)).toEqual(log.map(({ seq }) => seq));
  expect(pushes.flatMap(({ prevs }) => prevs)).toEqual(log.map(({ prev }) => prev));
  for (const { seqs } of pushes) expect(seqs.length).toBeGreaterThan(0);
  expect(rooms.get(name)?.seq ?? 0).toBe(log.at(-1)?.seq ?? 0);
}
