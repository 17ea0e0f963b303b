import { afterEach, describe, expect, it } from 'vitest';
import { Crowd } from '../testing/crowd.ts';
import { type ServerProcess, startProcess } from '../testing/server-process.ts';
import { ViewerClient } from '../testing/viewer-client.ts';

const FAULTY = { entry: 'src/testing/faulty-server.js' };

let server: ServerProcess | undefined;

async function start(...args: string[]): Promise<ServerProcess> {
  server = await startProcess(['--interval', '50', ...args], FAULTY);
  return server;
}

afterEach(async () => {
  server?.child.kill('SIGKILL');
  await server?.ended;
});

/** Seats viewers until every shard has some, so that a fault of one hits some and spares some. */
async function fillShards(faulty: ServerProcess, crowd: Crowd, shards: number): Promise<void> {
  for (;;) {
    await crowd.seat(['a', 'b'], 8);
    const counts = await Promise.all(
      Array.from({ length: shards }, (_, shard) => faulty.metric('volley_viewers', `shard="${shard}"`)),
    );
    if (counts.every((count) => count > 1)) return;
  }
}

async function viewersOf({ apiUrl }: ServerProcess, room: string): Promise<number> {
  return ((await (await fetch(`${apiUrl}/rooms/${room}`)).json()) as { viewers: number }).viewers;
}

describe('a shard that throws in mid-push', () => {
  it('sends its viewers away with 1012, is run again, and the others notice nothing', async () => {
    const faulty = await start('--workers', '2');
    const crowd = new Crowd(faulty);
    await fillShards(faulty, crowd, 2);
    const before = await faulty.metric('volley_viewers', 'shard="0"');
    faulty.tell('throw 0');
    for (let i = 0; i < 10; i += 1) {
      await faulty.post('a', { text: `a${i}` }, '?wait=stored');
      await faulty.post('b', { text: `b${i}` }, '?wait=stored');
    }
    await faulty.logged((line) => String(line.msg).startsWith('shard failed'));
    const lost = crowd.viewers.filter(({ socket }) => socket.readyState > socket.OPEN);
    expect(lost).toHaveLength(before);
    const rooms = await Promise.all(['a', 'b'].map((room) => viewersOf(faulty, room)));
    expect(rooms.reduce((sum, viewers) => sum + viewers, 0)).toBe(crowd.size - before);
    for (const viewer of lost) expect((await viewer.closed).code).toBe(1012);
    expect(await crowd.resumeLost()).toBe(before);
    await faulty.post('a', { text: 'after' }, '?wait=stored');
    await crowd.caughtUp();
    expect(await crowd.findFaults()).toEqual([]);
    const again = new Crowd(faulty);
    while ((await faulty.metric('volley_viewers', 'shard="0"')) === 0) await again.seat(['a'], 8);
    expect(await faulty.metric('volley_shard_restarts_total')).toBe(1);
    await faulty.post('a', { text: 'to the new generation too' }, '?wait=stored');
    await again.caughtUp();
    expect(await again.findFaults()).toEqual([]);
    expect(await faulty.stop()).toBe(0);
  });
});

describe('a shard that stands still', () => {
  it.each(['stall', 'loop'])(
    'in a %s is found within a second after --shard-stall, and ends the process by SIGKILL',
    async (fault) => {
      const faulty = await start('--workers', '2', '--shard-stall', '1000');
      const told = Date.now();
      faulty.tell(`${fault} 1 60000`);
      // A loop is given a second of the processor, which takes long where many want it.
      const line = await faulty.logged(({ msg }) => String(msg).includes('stands still'), 50_000);
      expect(line).toMatchObject({ shard: 1 });
      expect(Number(line.time) - told).toBeGreaterThanOrEqual(1_000 - 200);
      // Without the time in which other programs had the processors.
      expect(Number(line.ms)).toBeLessThan(2_000);
      expect(await faulty.ended).toBe('SIGKILL');
    },
  );

  it('for less than --shard-stall fills the ring, and nothing is lost or pushed twice', async () => {
    const faulty = await start('--workers', '2', '--interval', '10', '--max-batch', '20', '--ring-size', '400000');
    const crowd = new Crowd(faulty);
    await fillShards(faulty, crowd, 2);
    faulty.tell('stall 0 1500');
    const full = Array.from({ length: 40 }, (_, i) => ({ text: `${i} ${'长'.repeat(150)}`, extra: 'e'.repeat(400) }));
    while ((await faulty.metric('volley_ring_waits_total')) === 0) {
      await faulty.post('a', full);
      await faulty.post('b', full);
    }
    await faulty.post('a', { text: 'last' }, '?wait=stored');
    await faulty.post('b', { text: 'last' }, '?wait=stored');
    await crowd.caughtUp();
    expect(await crowd.findFaults()).toEqual([]);
  });
});

describe('stopping', () => {
  it('fires what is pending, closes viewers with 1012, exits 0 under load, and leaves the ports free at once', async () => {
    const faulty = await start('--workers', '2', '--interval', '2000');
    const viewer = new ViewerClient(faulty.viewerUrl, 'a');
    await viewer.welcome();
    viewer.send({ type: 'comment', ref: 'first', text: 'fires at once' });
    await viewer.message(({ type }) => type === 'batch');
    viewer.send({ type: 'comment', ref: 'second', text: 'waits for the interval' });
    const flood = Array.from({ length: 20 }, (_, i) => faulty.post(`flood${i}`, [{ text: 'x' }, { text: 'y' }]));
    await Promise.all(flood);
    const code = faulty.stop();
    expect(await viewer.closed).toEqual({ code: 1012, reason: 'restarting' });
    expect(await code).toBe(0);
    expect(viewer.messages.filter(({ type }) => type === 'ack').map(({ ref }) => ref)).toEqual(['first', 'second']);
    expect(viewer.comments.map(({ text }) => text)).toEqual(['fires at once', 'waits for the interval']);
    expect(viewer.faults).toEqual([]);
    const [port, apiPort] = [new URL(faulty.viewerUrl).port, new URL(faulty.apiUrl).port];
    const next = await start('--workers', '2', '--port', port, '--api-port', apiPort);
    await new ViewerClient(next.viewerUrl, 'a').welcome();
  });

  it('is over at once on a second signal', async () => {
    const faulty = await start('--shard-stall', '600000', '--grace', '600000', '--workers', '1');
    faulty.tell('stall 0 60000');
    faulty.child.kill('SIGTERM');
    await faulty.logged((line) => line.msg === 'stopping');
    expect(await faulty.stop('SIGTERM')).toBe('SIGTERM');
  });

  it('is over after --grace though a shard stands still, and fires what is pending', async () => {
    const faulty = await start('--shard-stall', '600000', '--grace', '3000', '--workers', '2', '--interval', '60000');
    const crowd = new Crowd(faulty);
    await fillShards(faulty, crowd, 2);
    await faulty.post('a', { text: 'fires at once' }, '?wait=stored');
    await crowd.caughtUp();
    const sound = await faulty.metric('volley_viewers', 'shard="1"');
    faulty.tell('stall 0 60000');
    await faulty.post('a', { text: 'pending' });
    await faulty.post('b', { text: 'pending' });
    expect(await faulty.stop('SIGINT')).toBe('SIGKILL');
    expect(faulty.lines.some((line) => String(line.msg).includes('--grace'))).toBe(true);
    const heard = crowd.viewers.filter(({ comments }) => comments.at(-1)?.text === 'pending');
    expect(heard).toHaveLength(sound);
  });
});
