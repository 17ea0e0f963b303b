import { describe, expect, it } from 'vitest';
import { settle } from '../clock.fixture.ts';
import { ALL_CODECS } from '../frames/codec.ts';
import { batchOf } from '../rooms/rooms.fixture.ts';
import { createDesk, createStore } from './join-desk.fixture.ts';

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
