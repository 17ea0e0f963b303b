import { afterAll, describe, expect, it } from 'vitest';
import { type ServerProcess, startProcess } from '../../src/testing/server-process.ts';
import { measure } from './measured-scenario.fixture.ts';

const volleys: ServerProcess[] = [];

afterAll(() => {
  for (const { child } of volleys) child.kill('SIGKILL');
});

describe.concurrent('the scenario', () => {
  it('hot-room measures latency, throughput, the server and the generator', async () => {
    const { run, settings } = await measure('-c 40 -r 2 -R 40 -w 2 -d 2 --warmup 1 --interval 100 --codec deflate');
    expect(settings).toMatchObject({ connections: 40, rooms: 2, loadThreads: 2, commentsBy: 'http' });
    expect(Object.keys(run.latencyMs)).toEqual(['postToReceipt', 'firstToLast']);
    const { postToReceipt } = run.latencyMs;
    expect(postToReceipt?.count).toBeGreaterThan(0);
    expect(run.generator.cpuCores).toBeGreaterThanOrEqual(run.generator.threadsCores);
    expect(run.comments).toMatchObject({ by: 'http', sent: null, acked: null });
    expect(run.latencyMs.firstToLast?.count).toBeGreaterThan(0);
    expect(run.series.length).toBeGreaterThanOrEqual(1);
    expect(run.connects).toMatchObject({ count: 40, perSecond: expect.any(Number) });
    expect(run.server).toMatchObject({ workers: 1, unknownBecause: null, memoryUnknownBecause: null });
    expect(run.server.shardCores).toHaveLength(1);
    for (const figure of [
      run.server.cpuCores,
      run.server.mainThreadCores,
      run.server.cpuMicrosecondsPerFrame,
      run.server.cpuNanosecondsPerComment,
      run.server.mainThreadMicrosecondsPerAcceptedComment,
      run.server.memoryBytesBefore,
      run.generator.cpuCores,
      run.generator.threadsCores,
      run.generator.cpuMicrosecondsPerFrame,
    ]) {
      expect(figure).toBeGreaterThan(0);
    }
  });

  it('join-storm times joining, and seated viewers before and during it', async () => {
    const { run } = await measure('--scenario join-storm -c 30 -d 1 --warmup 0 --interval 100');
    expect(Object.keys(run.latencyMs)).toEqual(['seatedBefore', 'seatedDuring', 'firstToLast', 'connect', 'caughtUp']);
    for (const latency of Object.values(run.latencyMs)) expect(latency.count).toBeGreaterThan(0);
    expect(run.latencyMs.connect?.count).toBe(30);
    expect(run.latencyMs.caughtUp?.count).toBe(30);
    expect(run.connects.count).toBe(30);
    expect(run.closedByCode).toEqual({});
    expect(run.server.cpuMicrosecondsPerFrame).toBeNull();
  });

  it('ingest has every comment of a flood acknowledged', async () => {
    const { run, settings } = await measure('--scenario ingest --senders 20 -r 4 -d 1 --warmup 0 --interval 50');
    expect(settings.commentsBy).toBe('flooding senders');
    expect(run.latencyMs.ack?.count).toBeGreaterThan(100);
    expect(run.comments.acked).toBeGreaterThan(100);
    expect(run.comments.sent).toBeGreaterThan(100);
    expect(run.server.description).toContain('--max-pending 5000');
  });
});

describe('a server that runs already', () => {
  it('is measured through its API, or from the viewers’ side only', async () => {
    const volley = await startProcess(['--workers', '2', '--interval', '100']);
    volleys.push(volley);
    const whole = await measure(`-c 20 -d 1 --warmup 1 --url ${volley.viewerUrl} --api-url ${volley.apiUrl}`);
    expect(whole.run.server).toMatchObject({ workers: null, unknownBecause: null });
    expect(whole.run.server.shardCores).toHaveLength(2);
    expect(whole.run.server.cpuCores).toBeGreaterThan(0);
    expect(whole.run.server.memoryBytesAfter).toBeGreaterThan(1e6);
    const outside = await measure(`-c 20 -d 1 --warmup 0 --senders 5 --url ${volley.viewerUrl}`);
    expect(outside.run.server).toMatchObject({ unknownBecause: 'no --api-url was given', cpuCores: null });
    expect(outside.settings.commentsBy).toBe('paced senders');
    expect(await volley.stop()).toBe(0);
  });
});
