/** Joins, steps and commits in any order, on a small model of one shard: nobody sees a gap or a batch twice. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { settle } from '../clock.fixture.ts';
import type { Codec } from '../frames/codec.ts';
import { runs } from '../property-runs.fixture.ts';
import { batchOf } from '../rooms/rooms.fixture.ts';
import type { StoredBatch } from '../store/store.ts';
import { FakeStore } from '../store/store-fake.fixture.ts';
import { createDesk, type DeskRig, decodeFrame } from './join-desk.fixture.ts';
import type { JoinAnswer, JoinPoint, JoinRequest } from './messages.ts';

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
    for (const batch of batches) viewer.see(batch.prev, batch.seq, idsOf(batch));
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

function idsOf({ seq, count }: StoredBatch): string[] {
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
            expect(viewer.ids).toEqual(world.log.filter(({ seq }) => seq > viewer.start).flatMap(idsOf));
            if (viewer.ids.length > 1) caughtUp += 1;
          }
        },
      ),
      { numRuns: runs(40) },
    );
    expect(caughtUp).toBeGreaterThan(100);
  });
});
