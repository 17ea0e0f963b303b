import { afterEach, describe, expect, it } from 'vitest';
import { MOST_GROWTH, soak } from '../bench/measure/soak.ts';
import { Crowd } from './testing/crowd.ts';
import { type ServerProcess, startProcess } from './testing/server-process.ts';

let server: ServerProcess | undefined;

afterEach(async () => {
  server?.child.kill('SIGKILL');
  await server?.ended;
});

describe('a large crowd over several shards and all codecs', () => {
  it('hears every comment once and in order while a tenth of it comes and goes in every round', async () => {
    const running = await startProcess(['--workers', '4', '--interval', '50', '--memory-comments', '100000']);
    server = running;
    const rooms = Array.from({ length: 10 }, (_, i) => `room-${i}`);
    const crowd = new Crowd(running);
    await crowd.seat(rooms, 600);
    for (let round = 0; round < 150; round += 1) {
      const comments = Array.from({ length: 5 }, (_, i) => ({ text: `第${round}回 ${i}`, color: round * 1_000 }));
      await Promise.all([
        ...rooms.map((room) => running.post(room, comments)),
        crowd.shuffle(60),
        crowd.seat(rooms, 2, '?since=0'),
      ]);
    }
    for (const room of rooms) await running.post(room, { text: 'last' }, '?wait=stored');
    await crowd.caughtUp(60_000);
    expect(crowd.size).toBe(900);
    expect(await crowd.findFaults()).toEqual([]);
    const frames = await running.metric('volley_frames_encoded_total');
    expect(frames).toBe(await running.metric('volley_pushes_total'));
    await crowd.leave();
    expect(await running.stop()).toBe(0);
  });

  it('of 2,000 in ten rooms hears minutes of a real recording, replayed fast, with the memory flat', async () => {
    const { accepted, heard, faults, early, late } = await soak({ viewers: 2_000, rooms: 10, minutes: 2, speed: 10 });
    expect(faults).toEqual([]);
    expect(accepted).toBeGreaterThan(10_000);
    expect(heard).toBe(accepted);
    expect(late).toBeLessThan(early * MOST_GROWTH);
  });
});
