import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { WebSocketServer } from 'ws';
import { type ServerProcess, startProcess } from '../../src/testing/server-process.ts';
import { BenchProcess, type Ended, isAlive, runBench, until } from './bench-process.fixture.ts';

const folder = mkdtempSync(join(tmpdir(), 'bench-bad-'));
const servers: (Server | WebSocketServer)[] = [];
const volleys: ServerProcess[] = [];

afterAll(() => {
  rmSync(folder, { recursive: true });
  for (const server of servers) server.close();
  for (const { child } of volleys) child.kill('SIGKILL');
});

async function startVolley(...args: readonly string[]): Promise<ServerProcess> {
  const volley = await startProcess(['--workers', '1', ...args]);
  volleys.push(volley);
  return volley;
}

function fileOf(name: string, text: string): string {
  const file = join(folder, name);
  writeFileSync(file, text);
  return file;
}

/** What the bench answers to what cannot be measured: exit code 1, no result, one sentence that says why. */
function failure(sentence: RegExp): Ended {
  return {
    code: 1,
    stdout: '',
    stderr: expect.stringMatching(new RegExp(`^bench: [^\\n]*${sentence.source}[^\\n]*\\n$`)),
  };
}

describe.concurrent('the bench', () => {
  it('refuses a bad option with exit code 2', async () => {
    const stderr = "error: unknown option '--bogus'\n";
    expect(await runBench('--bogus')).toEqual({ code: 2, stdout: '', stderr });
  });

  it('says that the open-files limit is too low, and by how much', async () => {
    const ended = await new BenchProcess('-c 1000', { openFiles: 900 }).ended;
    expect(ended).toEqual(failure(/need \d+ open files, but the bench may have 900: ask for at most \d+,/));
  });

  it('says that the comments file is empty, with --json too', async () => {
    const ended = await runBench(`--json --comments ${fileOf('empty.xml', '')}`);
    expect(ended).toEqual(failure(/the comments file \S+empty\.xml is empty/));
  });

  it('says why its own server did not start', async () => {
    const ended = await new BenchProcess('-c 5', { env: { VOLLEY_MAX_TEXT: '0' } }).ended;
    expect(ended).toEqual(failure(/own server ended with exit code \d+: --max-text \(VOLLEY_MAX_TEXT\) cannot be "0"/));
  });

  it('says that nobody listens', async () => {
    const [ended, api] = await Promise.all([
      runBench('-c 5 --senders 1 --url ws://127.0.0.1:1'),
      runBench('-c 5 --url ws://127.0.0.1:1 --api-url http://127.0.0.1:1'),
    ]);
    expect(ended).toEqual(failure(/127\.0\.0\.1:1\b/));
    expect(api).toEqual(failure(/the server's API at http:\/\/127\.0\.0\.1:1 cannot be reached/));
  });

  it('says that the server never answers', async () => {
    const silent = createServer((socket) => void socket.on('error', () => undefined));
    servers.push(silent);
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const at = `127.0.0.1:${(silent.address() as AddressInfo).port}`;
    const [viewers, api] = await Promise.all([
      runBench(`-c 5 --senders 1 --url ws://${at}`),
      runBench(`-c 5 --url ws://${at} --api-url http://${at}`),
    ]);
    expect(viewers).toEqual(failure(/answer/));
    expect(api).toEqual(failure(/did not answer within 10 s/));
  });

  it('says that no frame came', async () => {
    const mute = new WebSocketServer({ port: 0, host: '127.0.0.1' });
    servers.push(mute);
    mute.on('connection', (socket) => {
      socket.send('{"type":"welcome","room":"bench-0","seq":0,"viewers":1,"interval":1000}');
    });
    await new Promise((resolve) => mute.once('listening', resolve));
    const { port } = mute.address() as AddressInfo;
    const ended = await runBench(`-c 5 -d 1 --warmup 0 --senders 1 --url ws://127.0.0.1:${port}`);
    expect(ended).toEqual(failure(/no frame came from ws:\/\/127\.0\.0\.1:\d+ in 1\.\d s, so nothing was measured/));
  });

  it('says that all comments were refused, and why', async () => {
    const volley = await startVolley('--max-text', '2');
    const file = fileOf('long.xml', '<i><d p="0,1,25,0,0,0,u,1">long</d></i>');
    const at = `--url ${volley.viewerUrl} --comments ${file} -c 5 -d 1 --warmup 0`;
    const [posted, sent] = await Promise.all([
      runBench(`${at} --api-url ${volley.apiUrl}`),
      runBench(`${at} --senders 5`),
    ]);
    expect(posted).toEqual(failure(/all comments were refused \(TEXT_INVALID \d+\), so nothing was measured/));
    expect(sent).toEqual(failure(/all comments were refused \(TEXT_INVALID \d+\), so nothing was measured/));
  });

  it('says that its own server is gone in mid-run', async () => {
    const bench = new BenchProcess('-c 20 -d 60 --warmup 0');
    const pid = await bench.ownServer();
    await until(() => bench.hasConnected(20));
    process.kill(pid, 'SIGKILL');
    expect(await bench.ended).toEqual(
      failure(/gone|own server ended by SIGKILL|cannot be reached|closed a connection/),
    );
    expect(isAlive(pid)).toBe(false);
  });
});

describe.concurrent('Ctrl-C', () => {
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

describe('a long run on a server that another process has started', () => {
  let volley: ServerProcess;
  let bench: BenchProcess;

  beforeAll(async () => {
    volley = await startVolley('--interval', '100');
  });

  beforeEach(async () => {
    bench = new BenchProcess(`-c 20 -d 60 --warmup 0 --url ${volley.viewerUrl} --api-url ${volley.apiUrl}`);
    const before = await volley.metric('volley_deliveries_total');
    // Nothing is posted before all viewers are up.
    await until(async () => (await volley.metric('volley_deliveries_total')) >= before + 200);
  });

  it('prints on Ctrl-C what was measured until then, marked as such, with exit code 130', async () => {
    bench.child.kill('SIGINT');
    const { code, stdout, stderr } = await bench.ended;
    expect({ code, stderr }).toEqual({ code: 130, stderr: '' });
    expect(stdout).toContain('\nINTERRUPTED: this is what was measured until then.\n');
    expect(stdout).toMatch(/^ frames +[1-9][\d,]* +in /m);
  });

  it('says that the server is gone', async () => {
    volley.child.kill('SIGKILL');
    expect(await bench.ended).toEqual(failure(/gone|cannot be reached/));
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
