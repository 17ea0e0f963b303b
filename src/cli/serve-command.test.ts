import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { compiledFile, readVersion } from '../compiled-file.ts';
import { checkRingSize } from '../frames/push-size.ts';
import { holdViewersPort } from '../ports.ts';
import { SETTINGS, type Settings } from '../settings.ts';
import { ServerProcess, startProcess } from '../testing/server-process.ts';
import { ViewerClient } from '../testing/viewer-client.ts';

/** Where free ports do not matter because the command must not come that far. */
const ANY_PORTS = ['--port', '0', '--api-port', '0'];

interface Ended {
  readonly code: number | NodeJS.Signals;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the command to its end, which must come by itself, in a process of its own. */
async function run(args: readonly string[]): Promise<Ended> {
  const command = new ServerProcess('src/main.js', args, {});
  started.push(command);
  const code = await command.ended;
  return { code, stdout: command.lines.map(({ msg }) => `${msg}\n`).join(''), stderr: command.stderr };
}

const started: ServerProcess[] = [];

afterAll(() => {
  for (const { child } of started) child.kill('SIGKILL');
});

/** What a command that cannot run answers: code 2, one sentence, nothing else. */
function refusal(sentence: string): Ended {
  return { code: 2, stdout: '', stderr: `volley: ${sentence}\n` };
}

describe('the command in a process of its own', () => {
  it.concurrent('prints its version, and ends with 0', async () => {
    expect(await run(['--version'])).toEqual({ code: 0, stdout: `${readVersion()}\n`, stderr: '' });
  });

  it.concurrent('ends with 2 and one sentence where a setting cannot be', async () => {
    const sentence = '--port (VOLLEY_PORT) cannot be "70000": allowed is a whole number from 0 to 65535 (port)';
    expect(await run(['--port', '70000'])).toEqual(refusal(sentence));
  });
});

describe('a ring that two of the largest pushes do not fit into', () => {
  it.concurrent('is refused, and the least that is allowed is enough', async () => {
    const { maxText } = Object.fromEntries(
      SETTINGS.map(({ name, fallback }) => [name, fallback]),
    ) as unknown as Settings;
    let sentence = '';
    try {
      checkRingSize(65_536, 500, maxText);
    } catch (error) {
      sentence = (error as Error).message;
    }
    const [, least = ''] = /^--ring-size cannot be 65536: allowed is at least (\d+), [^\n]+$/.exec(sentence) ?? [];
    expect(Number(least)).toBeGreaterThan(65_536);
    const server = await startProcess(['--workers', '1', '--ring-size', least, '--max-batch', '500']);
    expect(await server.stop()).toBe(0);
  });
});

describe('a port in use', () => {
  it.concurrent('by another volley is told of, and costs the other nothing', async () => {
    const other = await startProcess(['--interval', '50', '--workers', '1']);
    started.push(other);
    const viewer = new ViewerClient(other.viewerUrl, 'a');
    await viewer.welcome();
    const { port } = new URL(other.viewerUrl);
    const allowed = 'allowed is a free port of 127.0.0.1, and something listens there already';
    expect(await run([...ANY_PORTS, '--port', port])).toEqual(refusal(`--port cannot be ${port}: ${allowed}`));
    await other.post('a', { text: 'undisturbed' });
    await viewer.until(() => viewer.comments.length === 1);
    expect(viewer.comments[0]?.text).toBe('undisturbed');
    const everywhere = { port: Number(port), apiPort: 0, host: '0.0.0.0' };
    await expect(holdViewersPort(everywhere)).rejects.toThrow(
      `--port cannot be ${port}: allowed is a free port of 0.0.0.0, and something listens there already`,
    );
    await viewer.close();
    expect(await other.stop()).toBe(0);
  });
});

describe('a fault on the main thread that nobody expected', () => {
  it.concurrent.each(['throw main', 'reject main'])('ends the server in order: %s', async (order) => {
    const server = await startProcess(['--workers', '1'], { entry: 'src/testing/faulty-server.js' });
    started.push(server);
    const viewer = new ViewerClient(server.viewerUrl, 'a');
    await viewer.welcome();
    server.tell(order);
    expect((await viewer.closed).code).toBe(1012);
    expect(await server.ended).toBe(1);
    expect(server.lines.map(({ level, msg }) => [level, msg])).toContainEqual([60, 'unexpected fault']);
    expect(server.lines.at(-1)?.msg).toBe('stopped');
  });
});

describe('a server whose output nobody takes any more', () => {
  it.concurrent('goes on, and ends in order', async () => {
    const server = await startProcess(['--interval', '20', '--workers', '1']);
    started.push(server);
    server.child.stdout?.destroy();
    server.child.stderr?.destroy();
    expect((await server.post('a', { text: 'x' }, '?wait=stored')).status).toBe(201);
    server.child.kill('SIGTERM');
    const [code, signal] = await once(server.child, 'exit');
    expect([code, signal]).toEqual([0, null]);
  });
});

describe('the ready line', () => {
  it.concurrent('carries the real ports, the workers, the store, what is open to whom, and follows warnings of unknown variables', async () => {
    const server = await startProcess(['--workers', '3', '--host', '127.0.0.1'], {
      env: { VOLLEY_PROT: '9000', VOLLEY_ZZZ: '1' },
    });
    const line = await server.logged(({ msg }) => msg === 'ready');
    expect(line).toEqual({
      level: 30,
      time: expect.any(Number),
      pid: server.pid,
      page: `${server.apiUrl}/`,
      viewerUrl: expect.stringMatching(/^ws:\/\/127\.0\.0\.1:[1-9]\d{3,4}$/),
      apiUrl: expect.stringMatching(/^http:\/\/127\.0\.0\.1:[1-9]\d{3,4}$/),
      ports: { viewers: expect.any(Number), api: expect.any(Number) },
      workers: 3,
      store: 'memory',
      library: expect.stringMatching(/^(uWebSockets\.js|@btc-vision\/uwebsockets\.js|uws-pack) \d+\.\d+\.\d+$/),
      open: { viewers: 'watch and comment: this machine only', api: 'post, read and metrics: this machine only' },
      msg: 'ready',
    });
    const warnings = server.lines.slice(0, server.lines.indexOf(line)).filter(({ level }) => level === 40);
    expect(warnings).toMatchObject([
      { variable: 'VOLLEY_PROT', meant: 'VOLLEY_PORT', msg: 'no setting has the name of this variable' },
      { variable: 'VOLLEY_ZZZ', msg: 'no setting has the name of this variable' },
    ]);
    expect(warnings[1]).not.toHaveProperty('meant');
    expect((await fetch(`${server.viewerUrl.replace('ws:', 'http:')}/healthz`)).status).toBe(200);
    expect((await fetch(`${server.apiUrl}/readyz`)).status).toBe(200);
    expect(await server.stop('SIGINT')).toBe(0);
  });

  it.concurrent('says when the network can reach it, which web pages may, and the public URL, with settings of the environment', async () => {
    const open = ['--host', '0.0.0.0', '--cors-origins', 'https://example.org'];
    const env = { VOLLEY_WORKERS: '2', VOLLEY_INTERVAL: '70' };
    const server = await startProcess([...open, '--public-url', 'wss://live.example.org/'], { env });
    const ready = await server.logged(({ msg }) => msg === 'ready');
    expect(ready).toMatchObject({
      workers: 2,
      page: expect.stringMatching(/^http:\/\/localhost:\d+\/$/),
      viewerUrl: 'wss://live.example.org',
      ports: { viewers: expect.any(Number), api: expect.any(Number) },
      apiUrl: expect.stringMatching(/^http:\/\/0\.0\.0\.0:\d+$/),
      open: {
        viewers: 'watch and comment: everybody who reaches 0.0.0.0',
        api: 'post, read and metrics: everybody who reaches 0.0.0.0, and pages of https://example.org',
      },
    });
    const { viewers } = ready.ports as { viewers: number };
    const viewer = new ViewerClient(`ws://127.0.0.1:${viewers}`, 'room');
    expect(await viewer.welcome()).toMatchObject({ interval: 70 });
    expect(await server.stop()).toBe(0);
  });

  it.concurrent('is followed by the pages to open, on a terminal', async ({ onTestFinished }) => {
    const command = ['exec', process.execPath, compiledFile('src/main.js'), ...ANY_PORTS, '--store', 'memory'].join(
      ' ',
    );
    const terminal = spawn('script', ['-qec', command, '/dev/null'], { stdio: ['pipe', 'pipe', 'inherit'] });
    onTestFinished(() => void terminal.kill('SIGKILL'));
    const ended = new Promise((resolve) => terminal.once('close', resolve));
    let text = '';
    terminal.stdout.on('data', (part: Buffer) => {
      text += part.toString();
    });
    await vi.waitFor(() => expect(text).toMatch(/Dashboard:[^\n]+\n/), { timeout: 15_000 });
    const [, page] = /page.*"(http:\/\/127\.0\.0\.1:\d+\/)"/.exec(text) ?? [];
    expect(text).toContain(`\r\n  ➜  Live page:  ${page}\r\n  ➜  Dashboard:  ${page}dashboard\r\n`);
    // As Ctrl-C.
    terminal.stdin.write('\x03');
    expect(await ended).toBe(0);
  });
});
