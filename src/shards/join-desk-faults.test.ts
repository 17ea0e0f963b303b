import { describe, expect, it } from 'vitest';
import { settle } from '../clock.fixture.ts';
import { VolleyError } from '../codes.ts';
import { batchOf } from '../rooms/rooms.fixture.ts';
import { FakeStore } from '../store/store-fake.fixture.ts';
import { createDesk } from './join-desk.fixture.ts';

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
