import { describe, expect, it } from 'vitest';
import { FakeClock, settle } from '../clock.fixture.ts';
import { ALL_CODECS, JSON_CODEC } from '../frames/codec.ts';
import { batchOf, recallOf } from '../rooms/rooms.fixture.ts';
import { FakeStore } from '../store/store-fake.fixture.ts';
import { MemoryStore } from '../store/store-memory.ts';
import { createDesk, createStore, type DeskRig, decodeFrame } from './join-desk.fixture.ts';

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
