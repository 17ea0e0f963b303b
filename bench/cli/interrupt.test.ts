import { afterAll, describe, expect, it } from 'vitest';
import { type ServerProcess, startProcess } from '../../src/server-process.fixture.ts';
import { BenchProcess, isAlive, until } from './bench-process.fixture.ts';

const volleys: ServerProcess[] = [];

afterAll(() => {
  for (const { child } of volleys) child.kill('SIGKILL');
});

/** A long run that is being measured: frames have come. */
async function startMeasuring(): Promise<BenchProcess> {
  const volley = await startProcess(['--workers', '1', '--interval', '100']);
  volleys.push(volley);
  const urls = `--url ${volley.viewerUrl} --api-url ${volley.apiUrl}`;
  const bench = new BenchProcess(`-c 20 -d 60 --warmup 0 ${urls}`);
  await until(async () => (await volley.metric('volley_viewers')) === 20);
  await until(async () => (await volley.metric('volley_deliveries_total')) >= 200);
  return bench;
}

describe.concurrent('Ctrl-C', () => {
  it('prints what was measured until then, marked as such, with exit code 130', async () => {
    const bench = await startMeasuring();
    bench.child.kill('SIGINT');
    const { code, stdout, stderr } = await bench.ended;
    expect({ code, stderr }).toEqual({ code: 130, stderr: '' });
    expect(stdout).toContain('\nINTERRUPTED: this is what was measured until then.\n');
    expect(stdout).toMatch(/^ frames +[1-9][\d,]* +in /m);
  });

  it('before anything was measured says so, and ends the own server', async () => {
    const bench = new BenchProcess('-c 20 -d 60 --warmup 60');
    const pid = await bench.ownServer();
    await until(() => bench.hasConnected(20));
    bench.child.kill('SIGINT');
    const sentence = 'bench: interrupted before anything was measured\n';
    expect(await bench.ended).toEqual({ code: 130, stdout: '', stderr: sentence });
    expect(isAlive(pid)).toBe(false);
  });

  it('twice ends it at once, without a report and with its own server', async () => {
    const bench = new BenchProcess('-c 20 -d 60 --warmup 0');
    const pid = await bench.ownServer();
    await until(() => bench.hasConnected(20));
    // The end of a run reads the server's last figures, and would wait for them.
    process.kill(pid, 'SIGSTOP');
    await until(() => {
      if (bench.isRunning) bench.child.kill('SIGINT');
      return !bench.isRunning;
    });
    expect(await bench.ended).toEqual({ code: 130, stdout: '', stderr: '' });
    await until(() => !isAlive(pid));
  });
});

describe('a bench that is killed', () => {
  it('takes its own server with it', async () => {
    const bench = new BenchProcess('-c 20 -d 60 --warmup 0');
    const pid = await bench.ownServer();
    await until(() => bench.hasConnected(20));
    bench.child.kill('SIGKILL');
    await until(() => !isAlive(pid));
    expect((await bench.ended).code).toBe('SIGKILL');
  });
});
