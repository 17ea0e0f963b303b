import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { compiledFile } from '../compiled-file.ts';
import { ServerProcess, startProcess } from '../server-process.fixture.ts';
import { envName, SETTING_GROUPS, SETTINGS } from '../settings.ts';
import { ViewerClient } from '../viewer-client.fixture.ts';
import { readVersion } from './version.ts';

/** Where free ports do not matter because the command must not come that far. */
const ANY_PORTS = ['--port', '0', '--api-port', '0'];

interface Ended {
  readonly code: number | NodeJS.Signals;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the command to its end, which must come by itself. */
async function run(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Ended> {
  const command = new ServerProcess('src/main.js', args, env);
  started.push(command);
  const code = await command.ended;
  return { code, stdout: command.lines.map(({ msg }) => msg).join('\n'), stderr: command.stderr };
}

const started: ServerProcess[] = [];

afterAll(() => {
  for (const { child } of started) child.kill('SIGKILL');
});

/** What a command that cannot run answers: code 2, one sentence, nothing else. */
function refusal(sentence: string): Ended {
  return { code: 2, stdout: '', stderr: `volley: ${sentence}\n` };
}

/** Help and text without the line breaks that the width of a terminal makes. */
function unwrapped(text: string): string {
  return text.replaceAll(/\s+/g, ' ');
}

describe('volley --help', () => {
  it.concurrent.each([[['--help']], [['serve', '--help']], [['help', 'serve']]])(
    '%j lists every setting',
    async (args) => {
      const { code, stdout, stderr } = await run(args);
      const help = unwrapped(stdout);
      for (const setting of SETTINGS) {
        const shown = setting.fallbackText ?? String(setting.fallback);
        const isSwitch = typeof setting.fallback === 'boolean';
        const value = isSwitch ? `[${setting.unit}]` : `<${setting.unit}>`;
        const preset = isSwitch ? ', preset: "true"' : '';
        expect(help).toContain(
          `--${setting.flag} ${value} ${setting.text} (default: ${shown}${preset}, env: ${envName(setting)})`,
        );
      }
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    },
  );

  it.concurrent('groups the settings, the dozen that one needs first', async () => {
    const { stdout } = await run(['--help']);
    const titles = [...stdout.matchAll(/^(\S.*):$/gm)].map(([, title]) => title);
    const groups = SETTING_GROUPS.map(({ title }) => title);
    expect(titles.filter((title) => groups.includes(title ?? ''))).toEqual(groups);
    const [first] = SETTING_GROUPS;
    expect(first?.names).toHaveLength(12);
    const section = stdout.slice(stdout.indexOf('First settings:'), stdout.indexOf('Pushes:'));
    expect(section.match(/^ {2}--/gm)).toHaveLength(12);
  });

  it.concurrent('names the commands', async () => {
    const { stdout } = await run(['-h']);
    expect(stdout).toMatch(/^ {2}serve \[options\]/m);
    expect(stdout).toMatch(/^ {2}watch \[options\] <url>/m);
  });
});

describe('volley --version', () => {
  it.concurrent.each([[['--version']], [['-V']], [['serve', '--version']]])('%j prints the version', async (args) => {
    expect(await run(args)).toEqual({ code: 0, stdout: readVersion(), stderr: '' });
  });
});

describe('a setting that cannot be', () => {
  it.concurrent('given by a flag ends the command with one sentence', async () => {
    const sentence = '--port (VOLLEY_PORT) cannot be "70000": allowed is a whole number from 0 to 65535 (port)';
    expect(await run(['--port', '70000'])).toEqual(refusal(sentence));
    expect(await run(['serve', '--port=70000'])).toEqual(refusal(sentence));
  });

  it.concurrent('given by the environment ends the command with one sentence', async () => {
    const sentence = '--workers (VOLLEY_WORKERS) cannot be "many": allowed is a whole number from 1 to 256 (threads)';
    expect(await run(ANY_PORTS, { VOLLEY_WORKERS: 'many' })).toEqual(refusal(sentence));
  });

  it.concurrent('is a flag that nobody knows', async () => {
    expect(await run(['--bogus-flag', '1'])).toEqual(
      refusal("unknown option '--bogus-flag' (volley --help lists what there is)"),
    );
  });

  it.concurrent('is a flag that is mistyped', async () => {
    expect(await run(['--prot', '1'])).toEqual(refusal("unknown option '--prot' (Did you mean --port?)"));
  });

  it.concurrent('is a command that nobody knows', async () => {
    expect(await run(['serv'])).toEqual(refusal("unknown command 'serv' (Did you mean serve?)"));
    expect(await run(['begin'])).toEqual(refusal("unknown command 'begin' (volley --help lists what there is)"));
  });

  it.concurrent('is a ring that two of the largest pushes do not fit into', async () => {
    const { code, stdout, stderr } = await run([...ANY_PORTS, '--ring-size', '65536', '--max-batch', '500']);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    const [, least] = /^volley: --ring-size cannot be 65536: allowed is at least (\d+), [^\n]+\n$/.exec(stderr) ?? [];
    expect(Number(least)).toBeGreaterThan(65_536);
    const server = await startProcess(['--ring-size', String(least), '--max-batch', '500']);
    expect(await server.stop()).toBe(0);
  });

  it.concurrent.each([
    ['of another machine', '192.0.2.1'],
    ['that is nobody’s', '0.0.0.1.2'],
    ['of a link without its interface', 'fe80::1'],
  ])('is a host %s', async (_what, host) => {
    expect(await run([...ANY_PORTS, '--host', host])).toEqual(
      refusal(`--host cannot be ${host}: allowed is an address of this machine`),
    );
  });

  it.concurrent('is one port for both', async () => {
    const sentence =
      '--port and --api-port cannot both be 9999: allowed are two ports, one for viewers and one for the API';
    expect(await run(['--port', '9999', '--api-port', '9999'])).toEqual(refusal(sentence));
  });
});

function listen(): Promise<Server> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => resolve(server));
  });
}

function portOf(server: Server): number {
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

describe('a port in use', () => {
  let stranger: Server;
  let other: ServerProcess;

  beforeAll(async () => {
    stranger = await listen();
    other = await startProcess(['--interval', '50', '--workers', '2']);
  });

  afterAll(async () => {
    stranger.close();
    expect(await other.stop()).toBe(0);
  });

  it.concurrent.each(['--port', '--api-port'])('by a stranger is told of %s', async (flag) => {
    const port = portOf(stranger);
    const sentence = `${flag} cannot be ${port}: allowed is a free port of 127.0.0.1, and something listens there already`;
    expect(await run([...ANY_PORTS, flag, String(port)])).toEqual(refusal(sentence));
  });

  it.concurrent.each(['--port', '--api-port'])(
    'by another volley is told of %s, and costs the other nothing',
    async (flag) => {
      const viewer = new ViewerClient(other.viewerUrl, flag);
      await viewer.welcome();
      const port = new URL(flag === '--port' ? other.viewerUrl : other.apiUrl).port;
      const sentence = `${flag} cannot be ${port}: allowed is a free port of 127.0.0.1, and something listens there already`;
      expect(await run([...ANY_PORTS, flag, port])).toEqual(refusal(sentence));
      await other.post(flag, { text: 'undisturbed' });
      await viewer.until(() => viewer.comments.length === 1);
      expect(viewer.comments[0]?.text).toBe('undisturbed');
      await viewer.close();
    },
  );

  it.concurrent('by another volley is seen on every address too', async () => {
    const { port } = new URL(other.viewerUrl);
    const sentence = `--port cannot be ${port}: allowed is a free port of 0.0.0.0, and something listens there already`;
    expect(await run([...ANY_PORTS, '--port', port, '--host', '0.0.0.0'])).toEqual(refusal(sentence));
  });
});

describe('a fault on the main thread that nobody expected', () => {
  it.concurrent.each(['throw main', 'reject main'])('ends the server in order: %s', async (order) => {
    const server = await startProcess([], { entry: 'src/faulty-server.fixture.js' });
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
    const server = await startProcess(['--interval', '20']);
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
  it('carries the real ports, the workers, the store, and what is open to whom', async () => {
    const server = await startProcess(['--workers', '3', '--host', '127.0.0.1']);
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
    expect((await fetch(`${server.viewerUrl.replace('ws:', 'http:')}/healthz`)).status).toBe(200);
    expect((await fetch(`${server.apiUrl}/readyz`)).status).toBe(200);
    expect(await server.stop('SIGINT')).toBe(0);
  });

  it('says when the network can reach it, which web pages may, and the public URL', async () => {
    const open = ['--host', '0.0.0.0', '--cors-origins', 'https://example.org'];
    const server = await startProcess([...open, '--public-url', 'wss://live.example.org/']);
    expect(await server.logged(({ msg }) => msg === 'ready')).toMatchObject({
      page: expect.stringMatching(/^http:\/\/localhost:\d+\/$/),
      viewerUrl: 'wss://live.example.org',
      ports: { viewers: expect.any(Number), api: expect.any(Number) },
      apiUrl: expect.stringMatching(/^http:\/\/0\.0\.0\.0:\d+$/),
      open: {
        viewers: 'watch and comment: everybody who reaches 0.0.0.0',
        api: 'post, read and metrics: everybody who reaches 0.0.0.0, and pages of https://example.org',
      },
    });
    expect(await server.stop()).toBe(0);
  });

  it('is followed by the pages to open, on a terminal', async () => {
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

  it('comes after a warning of variables that name no setting', async () => {
    const env = { VOLLEY_PROT: '9000', VOLLEY_ZZZ: '1' };
    const server = await startProcess([], { env });
    const warnings = server.lines.filter(({ level }) => level === 40);
    expect(warnings).toMatchObject([
      { variable: 'VOLLEY_PROT', meant: 'VOLLEY_PORT', msg: 'no setting has the name of this variable' },
      { variable: 'VOLLEY_ZZZ', msg: 'no setting has the name of this variable' },
    ]);
    expect(warnings[1]).not.toHaveProperty('meant');
    expect(await server.stop()).toBe(0);
  });

  it('comes with the settings of the environment', async () => {
    const env = { VOLLEY_WORKERS: '2', VOLLEY_INTERVAL: '70', VOLLEY_HOST: 'localhost' };
    const server = await startProcess([], { env });
    expect(await server.logged(({ msg }) => msg === 'ready')).toMatchObject({ workers: 2 });
    expect(new URL(server.viewerUrl).hostname).toBe('localhost');
    const viewer = new ViewerClient(server.viewerUrl, 'room');
    expect(await viewer.welcome()).toMatchObject({ interval: 70 });
    expect(await server.stop()).toBe(0);
  });
});
