/**
 * A model of the world round the rooms, walked at random: comments, a store that opens rooms late or not at all, answers
 * late, in any order, with each kind of failure, or with what it does not know; other nodes' batches; late commits.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { VolleyError } from '../codes.ts';
import { runs } from '../property-runs.fixture.ts';
import type { StoredBatch } from '../store/store.ts';
import { FakeStore } from '../store/store-fake.fixture.ts';
import { batchOf, createRooms, draftOf, Receipts, type RoomsRig, textsOf } from './rooms.fixture.ts';

/** Somebody watches the first; the second is opened for each of its comments and forgotten after them. */
const NAMES = ['watched', 'left'] as const;
const INTERVAL = 100;

const FAILURES = [
  new VolleyError('STORE_FULL', 'full'),
  new VolleyError('STORE_FAILED', 'failed'),
  new VolleyError('BATCH_CORRUPT', 'no refusal'),
  new Error('no code'),
];

const room = fc.constantFrom(...NAMES);
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('offer'), room }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('advance'), ms: fc.integer({ min: 1, max: 150 }) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom('store', 'fail', 'unknown'), room, which: fc.nat(3) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('answer'), which: fc.nat(3) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('deliver'), room }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('other'), room, hole: fc.nat(3) }) },
  { weight: 2, arbitrary: fc.constant({ kind: 'commit' }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('hold', 'open', 'open', 'openFails') }) },
);

interface Step {
  readonly kind: string;
  readonly room?: string;
  readonly ms?: number;
  readonly which?: number;
  readonly hole?: number;
}

/** What the store has and has not yet told, and what senders were told. */
class World {
  readonly receipts = new Receipts();
  readonly offered: { room: string; text: string }[] = [];
  readonly logs = new Map<string, StoredBatch[]>(NAMES.map((name) => [name, []]));
  /** Texts of batches that may or may not be stored, as their senders heard. */
  readonly unknown = new Set<string>();
  readonly #rig: RoomsRig<FakeStore>;
  readonly #answers: (() => void)[] = [];
  readonly #untold = new Map<string, StoredBatch[]>(NAMES.map((name) => [name, []]));
  readonly #newest = new Map<string, number>();

  constructor(rig: RoomsRig<FakeStore>) {
    this.#rig = rig;
  }

  async run({ kind, room = NAMES[0], ms = 0, which = 0, hole = 0 }: Step): Promise<void> {
    const { store, sink, clock } = this.#rig;
    const waits = store.waiting.some((waiting) => waiting.room === room);
    if (kind === 'offer') this.#offer(room);
    if (kind === 'advance') await clock.advance(ms);
    if (kind === 'store' && waits) {
      const { stored, answer } = store.store(room, this.#next(room, hole));
      this.#keep(stored);
      this.#answers.push(answer);
    }
    if (kind === 'fail' && waits) store.fail(room, FAILURES[which]);
    if (kind === 'unknown' && waits) this.#storeUnknown(room, which);
    if (kind === 'answer') this.#answers.splice(which % Math.max(1, this.#answers.length), 1)[0]?.();
    if (kind === 'deliver') store.deliver(...(this.#untold.get(room)?.splice(0, 2) ?? []));
    if (kind === 'other') this.#keep(store.put(room, batchOf('theirs'), this.#next(room, hole)));
    if (kind === 'commit') sink.commit();
    if (kind === 'hold') store.holdReads = true;
    if (kind === 'open' || kind === 'openFails') {
      store.followFault = kind === 'open' ? null : FAILURES[which];
      store.holdReads = false;
      store.answerReads();
    }
    await clock.advance(0);
    expect(new Set(store.waiting.map((waiting) => waiting.room)).size).toBe(store.waiting.length);
  }

  /** Drains, and lets everything that is on its way arrive. */
  async finish(): Promise<void> {
    await this.run({ kind: 'open' });
    await this.run({ kind: 'advance', ms: 1_000 });
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
    const text = `${room} ${number}`;
    const refused = this.#rig.rooms.offer(room, draftOf(text), this.receipts, number);
    expect(refused).toBeUndefined();
    this.offered.push({ room, text });
  }

  /** The append is answered STORE_UNKNOWN; in one of four cases its batch is not stored after all. */
  #storeUnknown(room: string, which: number): void {
    const { store } = this.#rig;
    const waiting = store.waiting.find((one) => one.room === room);
    for (const text of waiting === undefined ? [] : textsOf(waiting.batch)) this.unknown.add(text);
    if (which === 0) store.fail(room, new VolleyError('STORE_UNKNOWN', 'not known'));
    else this.#keep(store.storeUnknown(room, this.#next(room, 0)));
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
  it('store or refuse every comment once, and push every batch of a watched room once and in order', async () => {
    const happened = { unknown: 0, refusedOpening: 0, stored: 0 };
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 120, size: 'max' }), async (steps) => {
        const rig = await createRooms(new FakeStore(), { interval: INTERVAL, maxBatch: 3, maxPushBytes: 150 });
        rig.sink.holds = true;
        rig.rooms.join('watched', 0, 0, 1);
        const world = new World(rig);
        for (const one of steps) await world.run(one);
        await world.finish();
        checkSenders(world, rig);
        checkPushes(world, rig);
        happened.unknown += world.unknown.size;
        happened.stored += world.receipts.ids.size;
        happened.refusedOpening +=
          world.offered.length - rig.store.appended.flatMap(({ batch }) => textsOf(batch)).length;
      }),
      { numRuns: runs(75) },
    );
    for (const [what, count] of Object.entries(happened)) expect(count, what).toBeGreaterThan(0);
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
      { numRuns: runs(5) },
    );
  });
});

/** Every sender hears one thing, and it is true. */
function checkSenders({ offered, receipts, logs, unknown }: World, { rooms }: RoomsRig<FakeStore>): void {
  const stored = new Map(
    [...logs].flatMap(([name, log]) =>
      log.flatMap((batch) =>
        textsOf(batch)
          .filter((text) => text !== 'theirs')
          .map((text, i) => [text, `${name} ${batch.seq}.${i}`] as const),
      ),
    ),
  );
  for (const [number, { room, text }] of offered.entries()) {
    const id = receipts.ids.get(number);
    const code = receipts.codes.get(number);
    expect(id === undefined).toBe(code !== undefined);
    if (id !== undefined) expect(stored.get(text)).toBe(`${room} ${id}`);
    else if (unknown.has(text)) expect(code).toBe('STORE_UNKNOWN');
    else expect(stored.has(text)).toBe(false);
  }
  expect(rooms.pending).toBe(0);
}

function checkPushes({ logs }: World, { sink, rooms }: RoomsRig<FakeStore>): void {
  for (const { seqs } of sink.pushes) expect(seqs.length).toBeGreaterThan(0);
  const watched = logs.get('watched') ?? [];
  const pushes = sink.pushes.filter(({ room }) => room === 'watched');
  const first = pushes[0]?.seqs[0] ?? 0;
  // What came before the room was open is where it begins.
  const heard = watched.filter(({ seq }) => seq >= first);
  expect(pushes.flatMap(({ seqs }) => seqs)).toEqual(pushes.length === 0 ? [] : heard.map(({ seq }) => seq));
  expect(pushes.flatMap(({ prevs }) => prevs)).toEqual(pushes.length === 0 ? [] : heard.map(({ prev }) => prev));
  expect(rooms.get('watched')?.seq ?? 0).toBe(watched.at(-1)?.seq ?? 0);
  const left = sink.pushes.filter(({ room }) => room === 'left').flatMap(({ seqs }) => seqs);
  expect(left).toEqual([...new Set(left)].sort((one, other) => one - other));
}
