import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { VolleyError } from '../codes.ts';
import { ALL_CODECS, type Codec, JSON_CODEC } from '../frames/codec.ts';
import type { StoredBatch } from '../store/store.ts';
import { MemoryStore } from '../store/store-memory.ts';
import { FakeClock, settle } from '../testing/clock.ts';
import { runs } from '../testing/properties.ts';
import { batchOf, recallOf } from '../testing/rooms.ts';
import { FakeStore } from '../testing/store-fake.ts';
import { createDesk, createStore, type DeskRig, decodeFrame } from './join-desk.fixture.ts';
import type { JoinAnswer, JoinPoint, JoinRequest } from './messages.ts';

/** A batch of another node is committed now. */
async function commit({ store, clock }: DeskRig<FakeStore>, seq: number): Promise<void> {
  store.deliver(store.put('a', batchOf(`${seq}.0`, `${seq}.1`), seq));
  await clock.advance(1_010);
}

function idsOf(frame: Uint8Array | null | undefined, codec: 0 | 1 | 2 = JSON_CODEC): string[] | undefined {
  return decodeFrame(frame, codec)?.comments.map(({ id }) => id);
}

/** Both comments of each batch. */
function bothOf(...seqs: number[]): string[] {
  return seqs.flatMap((seq) => [`${seq}.0`, `${seq}.1`]);
}

describe('a viewer that asks for nothing older', () => {
  it('is live at once, at the last committed seq, and counted in its own welcome', async () => {
    const { ask, rooms } = await createDesk(createStore(3, 7), { interval: 500 });
    rooms.join('a', 1, 1, 4);
    const { answer, welcome } = ask({ kind: 'now' }, { joining: 3 });
    expect(answer).toMatchObject({ id: 1, frame: null, reached: 7, live: true });
    expect(welcome).toEqual({ type: 'welcome', room: 'a', seq: 7, viewers: 7, interval: 500 });
    expect(rooms.get('a')?.viewersByCodec).toEqual([3, 4, 0]);
  });

  it('begins at 0 in a room that never was', async () => {
    const { ask } = await createDesk(new FakeStore());
    const asked = ask({ kind: 'now' }, { room: 'new' });
    expect(asked.answer).toBeNull();
    await settle();
    const { answer, welcome } = asked;
    expect(answer).toMatchObject({ reached: 0, live: true });
    expect(welcome).toMatchObject({ room: 'new', seq: 0, viewers: 1 });
  });

  it('begins at what is committed, not at what is stored', async () => {
    const rig = await createDesk(createStore(1));
    rig.sink.holds = true;
    rig.ask({ kind: 'now' });
    await commit(rig, 2);
    expect(rig.ask({ kind: 'now' }).answer).toMatchObject({ reached: 1 });
    rig.sink.commit();
    expect(rig.ask({ kind: 'now' }).answer).toMatchObject({ reached: 2 });
  });
});

describe('a viewer that was away', () => {
  it('is live at once where it missed nothing', async () => {
    const { ask, store } = await createDesk(createStore(3, 7));
    const { answer, welcome } = ask({ kind: 'since', seq: 7 });
    expect(answer).toMatchObject({ frame: null, reached: 7, live: true });
    expect(welcome).toEqual({ type: 'welcome', room: 'a', seq: 7, viewers: 1, interval: 1_000 });
    expect(store.reads).toEqual([]);
  });

  it.each(ALL_CODECS)('gets what it missed, once, in codec %i', async (codec) => {
    const { climb, counters } = await createDesk(createStore(3, 7, 8, 20));
    const [answer, ...more] = await climb({ kind: 'since', seq: 7 }, codec);
    expect(more).toEqual([]);
    expect(answer).toMatchObject({ reached: 20, live: true });
    expect(decodeFrame(answer?.frame, codec)).toMatchObject({ seq: 20, prev: 7, viewers: 1 });
    expect(idsOf(answer?.frame, codec)).toEqual(bothOf(8, 20));
    expect(JSON.parse(answer?.welcome ?? '')).toEqual({
      type: 'welcome',
      room: 'a',
      seq: 20,
      viewers: 1,
      interval: 1_000,
    });
    expect(counters.backfillFrames).toBe(1);
  });

  it('gets everything with since=0', async () => {
    const { climb } = await createDesk(createStore(1, 2, 3));
    const [answer] = await climb({ kind: 'since', seq: 0 });
    expect(idsOf(answer?.frame)).toEqual(bothOf(1, 2, 3));
    expect(JSON.parse(answer?.welcome ?? '')).not.toHaveProperty('gap');
  });

  it('from a later time than the newest is reset, and gets everything', async () => {
    const { climb } = await createDesk(createStore(1, 2, 3));
    const [answer] = await climb({ kind: 'since', seq: 4 });
    expect(JSON.parse(answer?.welcome ?? '')).toMatchObject({ seq: 3, reset: true });
    expect(JSON.parse(answer?.welcome ?? '')).not.toHaveProperty('gap');
    expect(idsOf(answer?.frame)).toEqual(bothOf(1, 2, 3));
    expect(answer).toMatchObject({ reached: 3, live: true });
  });

  it('is reset in a room that is empty', async () => {
    const { climb } = await createDesk(new FakeStore());
    const [answer] = await climb({ kind: 'since', seq: 4 });
    expect(JSON.parse(answer?.welcome ?? '')).toMatchObject({ seq: 0, reset: true });
    expect(answer).toMatchObject({ frame: null, reached: 0, live: true });
  });

  it('for longer than batches are kept is told of the gap', async () => {
    const store = new MemoryStore({ comments: 6, bytes: 1e9, age: 1e9, clock: new FakeClock(0) });
    for (let i = 0; i < 8; i += 1) await store.append('a', batchOf('x', 'y'));
    const { climb } = await createDesk(store);
    const [answer] = await climb({ kind: 'since', seq: 2 });
    expect(JSON.parse(answer?.welcome ?? '')).toMatchObject({ seq: 8, gap: { from: 3, to: 5 } });
    expect(decodeFrame(answer?.frame, JSON_CODEC)).toMatchObject({ prev: 5, seq: 8 });
    const [just] = await climb({ kind: 'since', seq: 5 });
    expect(JSON.parse(just?.welcome ?? '')).not.toHaveProperty('gap');
    expect(idsOf(just?.frame)).toEqual(bothOf(6, 7, 8));
  });

  it('is told of the gap where nothing at all is kept any more', async () => {
    const clock = new FakeClock(0);
    const store = new MemoryStore({ comments: 100, bytes: 1e9, age: 1_000, clock });
    for (let i = 0; i < 4; i += 1) await store.append('a', batchOf('x'));
    const { climb } = await createDesk(store);
    clock.jump(5_000);
    const [answer] = await climb({ kind: 'since', seq: 1 });
    expect(answer).toMatchObject({ frame: null, reached: 4, live: true });
    expect(JSON.parse(answer?.welcome ?? '')).toMatchObject({ seq: 4, gap: { from: 2, to: 4 } });
    const [reset] = await climb({ kind: 'since', seq: 99 });
    expect(reset).toMatchObject({ frame: null, reached: 4, live: true });
    expect(JSON.parse(reset?.welcome ?? '')).toMatchObject({ seq: 4, reset: true });
  });

  it('gets at most --max-backfill comments in whole batches, and is told of the gap', async () => {
    const { climb } = await createDesk(createStore(1, 2, 3, 4, 5), { maxBackfill: 3 });
    const [answer] = await climb({ kind: 'since', seq: 1 });
    expect(idsOf(answer?.frame)).toEqual(bothOf(4, 5));
    expect(JSON.parse(answer?.welcome ?? '')).toMatchObject({ seq: 5, gap: { from: 2, to: 3 } });
    const [reset] = await climb({ kind: 'since', seq: 9 });
    expect(idsOf(reset?.frame)).toEqual(bothOf(4, 5));
  });
});

describe('a viewer that asks for history', () => {
  it('gets as many comments as it wants, rounded up to whole batches', async () => {
    const { climb } = await createDesk(createStore(1, 5, 9));
    const found = await Promise.all([0, 1, 2, 3, 6, 100].map((comments) => climb({ kind: 'history', comments })));
    expect(found.map(([answer]) => idsOf(answer?.frame))).toEqual([
      undefined,
      bothOf(9),
      bothOf(9),
      bothOf(5, 9),
      bothOf(1, 5, 9),
      bothOf(1, 5, 9),
    ]);
    for (const [answer] of found) {
      expect(answer).toMatchObject({ reached: 9, live: true });
      expect(JSON.parse(answer?.welcome ?? '')).toMatchObject({ seq: 9 });
      expect(JSON.parse(answer?.welcome ?? '')).not.toHaveProperty('gap');
    }
  });

  it('gets at most --max-backfill, and nothing in an empty room', async () => {
    const { climb } = await createDesk(createStore(1, 2, 3), { maxBackfill: 4 });
    const [answer] = await climb({ kind: 'history', comments: 1_000_000 });
    expect(idsOf(answer?.frame)).toEqual(bothOf(2, 3));
    const { climb: climbEmpty } = await createDesk(new FakeStore());
    expect(await climbEmpty({ kind: 'history', comments: 10 })).toMatchObject([
      { frame: null, reached: 0, live: true },
    ]);
  });
});

describe('a long backfill', () => {
  it.each(ALL_CODECS)('goes out in steps of at most stepBytes in codec %i, live with the last', async (codec) => {
    const seqs = Array.from({ length: 40 }, (_, i) => i + 1);
    const stepBytes = codec === JSON_CODEC ? 1_500 : 250;
    const { climb } = await createDesk(createStore(...seqs), { stepBytes });
    const answers = await climb({ kind: 'since', seq: 0 }, codec);
    expect(answers.length).toBeGreaterThan(3);
    expect(answers.map(({ live }) => live)).toEqual(answers.map((_, i) => i === answers.length - 1));
    expect(answers.map(({ welcome }) => welcome === null)).toEqual(answers.map((_, i) => i > 0));
    expect(answers.flatMap(({ frame }) => idsOf(frame, codec))).toEqual(bothOf(...seqs));
    for (const [i, { frame, reached }] of answers.entries()) {
      expect(frame?.length).toBeLessThanOrEqual(stepBytes);
      expect(decodeFrame(frame, codec)).toMatchObject({ seq: reached, prev: answers[i - 1]?.reached ?? 0 });
    }
  });

  it('never cuts a batch: one that is larger than a step goes alone', async () => {
    const store = createStore(1);
    store.deliver(store.put('a', batchOf('x'.repeat(2_000)), 2));
    store.deliver(store.put('a', batchOf('small'), 3));
    const { climb } = await createDesk(store, { stepBytes: 1_000 });
    const answers = await climb({ kind: 'since', seq: 0 });
    expect(answers.map(({ frame }) => idsOf(frame))).toEqual([bothOf(1), ['2.0'], ['3.0']]);
  });

  it('goes on with what is committed meanwhile, and counts its viewer once', async () => {
    const rig = await createDesk(createStore(1, 2), { stepBytes: 400 });
    const first = rig.ask({ kind: 'since', seq: 0 });
    await settle();
    expect(first.answer).toMatchObject({ reached: 1, live: false });
    await commit(rig, 3);
    const [second, third] = await rig.climb({ kind: 'next', seq: 1 });
    expect(second).toMatchObject({ reached: 2, live: false, welcome: null });
    expect(third).toMatchObject({ reached: 3, live: true, welcome: null });
    expect([idsOf(second?.frame), idsOf(third?.frame)]).toEqual([bothOf(2), bothOf(3)]);
  });
});

describe('the boundary', () => {
  it('is that of the turn of the answer: a batch committed while the store reads keeps the viewer from being live', async () => {
    const rig = await createDesk(createStore(1, 2));
    rig.store.holdReads = true;
    const asked = rig.ask({ kind: 'since', seq: 1 });
    await settle();
    expect(asked.answer).toBeNull();
    await commit(rig, 3);
    rig.store.answerReads();
    await settle();
    expect(asked.answer).toMatchObject({ reached: 2, live: false });
    expect(idsOf(asked.answer?.frame)).toEqual(bothOf(2));
    rig.store.holdReads = false;
    const [next] = await rig.climb({ kind: 'next', seq: 2 });
    expect(next).toMatchObject({ reached: 3, live: true });
    expect(idsOf(next?.frame)).toEqual(bothOf(3));
  });

  it('leaves out what is stored and not yet committed', async () => {
    const rig = await createDesk(createStore(1));
    rig.sink.holds = true;
    rig.ask({ kind: 'now' });
    await commit(rig, 2);
    const [answer] = await rig.climb({ kind: 'since', seq: 0 });
    expect(idsOf(answer?.frame)).toEqual(bothOf(1));
    expect(answer).toMatchObject({ reached: 1, live: true });
  });
});

describe('recalls that a viewer could have missed', () => {
  it('are told to those who were away or are given what is older, when they become live', async () => {
    const rig = await createDesk(createStore(1, 2, 3), { stepBytes: 10 });
    rig.ask({ kind: 'now' });
    rig.rooms.recalled([recallOf('a', '1.0')]);
    await rig.clock.advance(10);
    const told = JSON.stringify({ type: 'recall', ids: ['1.0'] });
    expect(rig.ask({ kind: 'since', seq: 3 }).answer).toMatchObject({ live: true, recall: told });
    const steps = await rig.climb({ kind: 'since', seq: 0 });
    expect(steps.map(({ live, recall }) => [live, recall])).toEqual([
      [false, null],
      [false, null],
      [true, told],
    ]);
    expect(rig.ask({ kind: 'now' }).answer).toMatchObject({ live: true, recall: null });
  });
});

describe('a viewer that knows a seq from the API which is stored and not yet committed', () => {
  it('is no stranger: it waits for the commit and is live from there, without a reset', async () => {
    const rig = await createDesk(new FakeStore());
    rig.sink.holds = true;
    rig.rooms.join('a', 0, 0, 1);
    rig.store.deliver(rig.store.put('a', batchOf('on its way')));
    await rig.clock.advance(1_010);
    const asked = rig.ask({ kind: 'since', seq: 1 });
    await rig.clock.advance(100);
    expect(asked.answer).toBeNull();
    rig.sink.commit();
    await rig.clock.advance(20);
    expect(asked.answer).toMatchObject({ reached: 1, live: true, frame: null });
    expect(asked.welcome).not.toHaveProperty('reset');
    expect(rig.rooms.get('a')?.viewers).toBe(2);
  });
});

describe('a backfill that the store cannot read', () => {
  it('is a gap to who asked for it, and told to the operator', async () => {
    const store = new FakeStore();
    for (let seq = 1; seq <= 3; seq += 1) store.deliver(store.put('a', batchOf(`${seq}`)));
    const broken = new VolleyError('BATCH_CORRUPT', 'of another version');
    store.read = () => Promise.reject(broken);
    const rig = await createDesk(store);
    const asked = rig.ask({ kind: 'since', seq: 1 });
    await settle();
    expect(asked.answer).toMatchObject({ reached: 3, live: true, frame: null });
    expect(asked.welcome).toMatchObject({ seq: 3, gap: { from: 2, to: 3 } });
    expect(rig.faults).toEqual([{ room: 'a', error: broken }]);
  });
});

describe('viewers at the same point', () => {
  it('share one reading and one frame, for a slot', async () => {
    const { ask, store, counters, clock } = await createDesk(createStore(1, 2, 3));
    const asked = Array.from({ length: 100 }, () => ask({ kind: 'since', seq: 1 }));
    await settle();
    for (let i = 0; i < 100; i += 1) asked.push(ask({ kind: 'since', seq: 1 }));
    await settle();
    expect(new Set(asked.map(({ answer }) => answer?.frame)).size).toBe(1);
    expect(new Set(asked.map(({ answer }) => answer?.id)).size).toBe(200);
    expect([store.reads.length, counters.backfillFrames]).toEqual([1, 1]);
    await clock.advance(10);
    expect(clock.timers).toBeLessThanOrEqual(1);
    ask({ kind: 'since', seq: 1 });
    await settle();
    expect(store.reads).toHaveLength(2);
  });

  it('share the reading, not the frame, with other codecs', async () => {
    const { ask, store, counters } = await createDesk(createStore(1, 2, 3));
    for (const codec of ALL_CODECS) {
      for (let i = 0; i < 5; i += 1) ask({ kind: 'since', seq: 1 }, { codec });
    }
    await settle();
    expect(store.reads).toEqual([{ room: 'a', after: 1, upTo: 3 }]);
    expect(counters.backfillFrames).toBe(3);
  });

  it('do not share with other points or rooms, nor across a commit', async () => {
    const rig = await createDesk(createStore(1, 2, 3));
    rig.ask({ kind: 'since', seq: 1 });
    rig.ask({ kind: 'since', seq: 2 });
    rig.ask({ kind: 'next', seq: 1 });
    rig.ask({ kind: 'history', comments: 1 }, { room: 'b' });
    await settle();
    expect(rig.store.reads).toHaveLength(4);
    rig.store.deliver(rig.store.put('a', batchOf('4.0'), 4));
    await rig.clock.advance(9);
    rig.rooms.join('a', 0, 0, 0).seq = 4;
    const late = rig.ask({ kind: 'since', seq: 1 });
    await settle();
    expect(late.answer).toMatchObject({ reached: 4 });
  });
});

const ROOM = 'a';

const from = fc.oneof(
  fc.constant({ kind: 'now' as const }),
  fc.record({ kind: fc.constant('history' as const), comments: fc.nat(12) }),
  /** `seq` stands for a committed seq, by its place from the newest; the last for one above the newest. */
  fc.record({ kind: fc.constant('since' as const), back: fc.integer({ min: -1, max: 6 }) }),
);

type From = typeof from extends fc.Arbitrary<infer T> ? T : never;

const step = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('batch' as const),
      count: fc.integer({ min: 1, max: 3 }),
      hole: fc.nat(2),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('join' as const),
      from,
      codec: fc.constantFrom<Codec>(0, 1, 2),
      viewers: fc.integer({ min: 1, max: 2 }),
    }),
  },
  {
    weight: 14,
    arbitrary: fc.record({
      kind: fc.constantFrom(
        'fire' as const,
        'commit' as const,
        'take' as const,
        'read' as const,
        'flush' as const,
        'deliver' as const,
      ),
    }),
  },
);

type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** A viewer as its client sees it. */
class Viewer {
  readonly codec: Codec;
  readonly point: JoinPoint;
  readonly ids: string[] = [];
  /** The seq after which it begins, once it is welcomed. */
  start = -1;
  last = -1;
  live = false;

  constructor(codec: Codec, point: JoinPoint) {
    this.codec = codec;
    this.point = point;
  }

  welcome(text: string, begin: number): void {
    expect(this.start).toBe(-1);
    const { seq, gap, reset } = JSON.parse(text) as {
      seq: number;
      gap?: { from: number; to: number };
      reset?: boolean;
    };
    this.start = begin;
    this.last = begin;
    if (this.point.kind === 'now') expect(begin).toBe(seq);
    if (this.point.kind !== 'since') return;
    if (gap !== undefined) expect([gap.from, gap.to]).toEqual([this.point.seq + 1, begin]);
    else if (reset === undefined) expect(begin).toBe(this.point.seq);
  }

  see(prev: number, seq: number, ids: readonly string[]): void {
    expect(prev).toBe(this.last);
    this.last = seq;
    this.ids.push(...ids);
  }
}

type ToShard = { readonly answers: readonly JoinAnswer[] } | { readonly batches: readonly StoredBatch[] };

/** Main's desk, the port between, and a shard that subscribes its viewers in the turn in which an answer arrives. */
class World {
  readonly viewers: Viewer[] = [];
  readonly log: StoredBatch[] = [];
  readonly #rig: DeskRig<FakeStore>;
  readonly #asking = new Map<number, Viewer[]>();
  /** Requests on their way to main. */
  #toMain: JoinRequest[] = [];
  /** Answers that main has gathered and not posted. */
  #gathered: JoinAnswer[] = [];
  #toShard: ToShard[] = [];
  #committed = 0;
  #requests = 0;

  constructor(rig: DeskRig<FakeStore>) {
    this.#rig = rig;
    rig.store.holdReads = true;
    rig.sink.holds = true;
    // As the real link: what is gathered stands before the wake-up, and the seq rises in the same turn.
    rig.sink.onCommit = (room, seq, committed) => {
      this.#flush();
      const seqs = rig.sink.pushes[this.#committed]?.seqs ?? [];
      this.#committed += 1;
      this.#toShard.push({ batches: this.log.filter((batch) => seqs.includes(batch.seq)) });
      committed(room, seq);
    };
    rig.rooms.join(ROOM, 1, 0, 1);
  }

  async run(step: Step): Promise<void> {
    if (step.kind === 'batch') this.#append(step.count, step.hole);
    if (step.kind === 'join') this.#join(step.from, step.codec, step.viewers);
    if (step.kind === 'fire') await this.#rig.clock.advance(10);
    if (step.kind === 'commit') this.#rig.sink.commit();
    if (step.kind === 'take') this.#take();
    if (step.kind === 'read') this.#rig.store.answerReads();
    if (step.kind === 'flush') this.#flush();
    if (step.kind === 'deliver') this.#deliver();
    await settle();
  }

  /** Everything on its way arrives. */
  async finish(): Promise<void> {
    for (let i = 0; i < 500 && this.viewers.some(({ live }) => !live); i += 1) await this.#turn();
    await this.run({ kind: 'batch', count: 1, hole: 0 });
    for (let i = 0; i < 5; i += 1) await this.#turn();
  }

  async #turn(): Promise<void> {
    for (const kind of ['fire', 'commit', 'take', 'read', 'read', 'flush', 'deliver'] as const)
      await this.run({ kind });
    while (this.#toMain.length > 0) this.#take();
    while (this.#toShard.length > 0) this.#deliver();
  }

  #append(count: number, hole: number): void {
    const texts = new Array<string>(count).fill('some text');
    const batch = this.#rig.store.put(ROOM, batchOf(...texts), (this.log.at(-1)?.seq ?? 0) + 1 + hole);
    this.log.push(batch);
    this.#rig.store.deliver(batch);
  }

  #join(from: From, codec: Codec, viewers: number): void {
    const point = from.kind === 'since' ? { kind: from.kind, seq: this.#seqBack(from.back) } : from;
    const joined = Array.from({ length: viewers }, () => new Viewer(codec, point));
    this.viewers.push(...joined);
    this.#ask(point, joined, viewers);
  }

  #ask(point: JoinPoint, viewers: Viewer[], joining: number): void {
    const id = this.#requests;
    this.#requests += 1;
    this.#asking.set(id, viewers);
    this.#toMain.push({ id, room: ROOM, codec: viewers[0]?.codec ?? 0, joining, from: point });
  }

  #seqBack(back: number): number {
    const committed = this.log.filter(({ seq }) => seq <= (this.#rig.rooms.get(ROOM)?.seq ?? 0));
    if (back < 0) return 1_000_000;
    return committed.at(-1 - back)?.seq ?? 0;
  }

  #take(): void {
    const request = this.#toMain.shift();
    if (request === undefined) return;
    const now = this.#rig.desk.answer(0, request, (later) => this.#gathered.push(later));
    if (now !== null) this.#gathered.push(now);
  }

  #flush(): void {
    if (this.#gathered.length > 0) this.#toShard.push({ answers: this.#gathered });
    this.#gathered = [];
  }

  #deliver(): void {
    const message = this.#toShard.shift();
    if (message === undefined) return;
    if ('answers' in message) for (const answer of message.answers) this.#answer(answer);
    else for (const viewer of this.viewers.filter(({ live }) => live)) this.#publish(viewer, message.batches);
  }

  #publish(viewer: Viewer, batches: readonly StoredBatch[]): void {
    for (const batch of batches) viewer.see(batch.prev, batch.seq, idsIn(batch));
  }

  #answer({ id, welcome, frame, reached, live }: JoinAnswer): void {
    const viewers = this.#asking.get(id) ?? [];
    for (const viewer of viewers) {
      const message = decodeFrame(frame, viewer.codec);
      if (welcome !== null) viewer.welcome(welcome, message?.prev ?? reached);
      if (message)
        viewer.see(
          message.prev,
          message.seq,
          message.comments.map((comment) => comment.id),
        );
      viewer.live = live;
    }
    if (!live) this.#ask({ kind: 'next', seq: reached }, viewers, 0);
  }
}

function idsIn({ seq, count }: StoredBatch): string[] {
  return Array.from({ length: count }, (_, place) => `${seq}.${place}`);
}

describe('a viewer', () => {
  it('sees every batch after its start exactly once and in order, however joins and commits fall together', async () => {
    let caughtUp = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 20, maxLength: 150, size: 'max' }),
        fc.constantFrom(150, 400, 32_768),
        fc.constantFrom(0, 5, 10_000),
        async (steps, stepBytes, maxBackfill) => {
          const world = new World(await createDesk(new FakeStore(), { interval: 10, stepBytes, maxBackfill }));
          for (const one of steps) await world.run(one);
          await world.finish();
          for (const viewer of world.viewers) {
            expect(viewer.live).toBe(true);
            expect(viewer.ids).toEqual(world.log.filter(({ seq }) => seq > viewer.start).flatMap(idsIn));
            if (viewer.ids.length > 1) caughtUp += 1;
          }
        },
      ),
      { numRuns: runs(40) },
    );
    expect(caughtUp).toBeGreaterThan(100);
  });
});
