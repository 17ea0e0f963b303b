import { execFile, execFileSync, spawn } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { findsBrowser, openBrowser } from '../src/browser.fixture.ts';
import { ServerProcess, startProcess } from '../src/server-process.fixture.ts';
import { ViewerClient } from '../src/viewer-client.fixture.ts';
import { packClient } from './pack-client.ts';
import { maskTimes, ROOT, readBlocks, readCommands, typeCommand } from './page-commands.fixture.ts';

const folder = mkdtempSync(join(tmpdir(), 'volley-pages-'));
let server: ServerProcess;
/** The addresses that pages show, and those of the server. */
let places: [string, string][];

beforeEach(async () => {
  server = await startProcess(['--workers', '1', '--memory-comments', '1000']);
  places = [
    ['127.0.0.1:9000', new URL(server.viewerUrl).host],
    ['127.0.0.1:9001', new URL(server.apiUrl).host],
  ];
});

afterEach(async () => {
  expect(await server.stop()).toBe(0);
});

afterAll(() => rmSync(folder, { recursive: true }));

/** As a page shows it, with this server's addresses. */
function place(text: string): string {
  return places.reduce((placed, [shown, real]) => placed.replaceAll(shown, real), text);
}

/** Types the commands of a page one after the other, and compares what each prints with what the page says. */
async function typeAll(page: string, { leftOut = /^$/, pauseMs = 0 } = {}): Promise<void> {
  const commands = readCommands(page).filter(({ command }) => !leftOut.test(command));
  expect(commands.length).toBeGreaterThan(0);
  for (const [i, { command, output }] of commands.entries()) {
    const printed = await typeCommand(command, places, output.split('\n').length - 1);
    expect(maskTimes(printed), command).toBe(maskTimes(output));
    if (i === 0) await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}

describe('what a page says that its commands print is what they print:', () => {
  it('docs/http-api.md, with a viewer in the room, and one in another', async () => {
    const viewers = ['demo', 'other'].map((room) => new ViewerClient(server.viewerUrl, room));
    for (const viewer of viewers) await viewer.welcome();
    // The page's first comments are over a second apart, so that one subtitle has made room for the next.
    await typeAll('docs/http-api.md', { pauseMs: 1_200 });
    for (const viewer of viewers) await viewer.close();
  });

  it('docs/metrics.md, with a viewer that two pushes have reached', async () => {
    const viewer = new ViewerClient(server.viewerUrl, 'demo');
    await viewer.welcome();
    for (const text of ['one', 'two']) await server.post('demo', { text }, '?wait=stored');
    await typeAll('docs/metrics.md');
    await viewer.close();
  });

  it('docs/settings.md', () => typeAll('docs/settings.md'));

  it('docs/protocol.md, of a refused handshake', async () => {
    const [command = ''] = readBlocks('docs/protocol.md', 'sh');
    const [output = ''] = readBlocks('docs/protocol.md', 'text');
    expect(maskTimes(await typeCommand(command, places, Number.POSITIVE_INFINITY))).toBe(maskTimes(output));
  });

  it('README.md, with a second terminal that watches', async () => {
    const [line = ''] = readBlocks('README.md', 'sh').filter((block) => block.includes('main.js watch'));
    const [program, entry, ...args] = place(line).trim().split(' ');
    expect([program, entry]).toEqual(['node', 'dist/src/main.js']);
    const watcher = new ServerProcess('src/main.js', args, {});
    await vi.waitFor(() => expect(watcher.stderr).toContain('watching'), { timeout: 15_000 });
    // The recording and the benches take minutes: page-commands.long.test.ts. What a taken port is told has a test below.
    await typeAll('README.md', { leftOut: /^(npm|node)/ });
    await watcher.logged(({ msg }) => msg?.endsWith('神之感动') === true);
    const [shown = ''] = readBlocks('README.md', 'text').filter((block) => block.includes('watching'));
    const seen = watcher.stderr + watcher.lines.map(({ msg }) => `${msg}\n`).join('');
    expect(maskTimes(seen)).toBe(maskTimes(shown));
    await watcher.stop('SIGINT');
  });

  it('docs/operations.md, of a port that is taken', async () => {
    const { command, output } =
      readCommands('docs/operations.md').find(({ command }) => command === 'node dist/src/main.js') ?? {};
    const port = new URL(server.viewerUrl).port;
    const printed = await typeCommand(
      `${command} --port ${port} --api-port 0`,
      [['9000', port]],
      Number.POSITIVE_INFINITY,
    );
    expect(printed).toBe(output);
  });

  it('README.md, of a start on a terminal', async () => {
    const [shown = ''] = readBlocks('README.md', 'text').filter((block) => block.includes('ready'));
    const args = ['--port', '0', '--api-port', '0', '--workers', '1', '--store', `level:${folder}/data`];
    const command = ['exec', process.execPath, `${ROOT}/dist/src/main.js`, ...args].join(' ');
    const terminal = spawn('script', ['-qec', command, '/dev/null'], { stdio: ['pipe', 'pipe', 'inherit'] });
    const ended = new Promise((resolve) => terminal.once('close', resolve));
    let text = '';
    terminal.stdout.on('data', (part: Buffer) => {
      text += part.toString();
    });
    await vi.waitFor(() => expect(text).toContain('/dashboard'), { timeout: 15_000 });
    terminal.stdin.write('\x03');
    await ended;
    // biome-ignore lint/suspicious/noControlCharactersInRegex: colours of the terminal
    const plain = text.replaceAll(/\x1b\[\d+m/g, '');
    const [, viewers = '', api = ''] = /"viewers": (\d+),\s+"api": (\d+)/.exec(plain) ?? [];
    const asShown = plain
      .slice(0, plain.indexOf('/dashboard') + '/dashboard'.length)
      .replaceAll(viewers, '9000')
      .replaceAll(api, '9001')
      .replace(`level:${folder}/data`, 'level:./data')
      .replace(/library: ".*"/, 'library: "uws-pack 20.0.8"');
    expect(maskTimes(asShown)).toBe(maskTimes(shown));
  });
});

describe('README’s', () => {
  it('SDK example runs after the install that it describes', async () => {
    const project = join(folder, 'project');
    mkdirSync(join(project, 'node_modules'), { recursive: true });
    writeFileSync(join(project, 'package.json'), '{ "type": "module" }');
    const { tarball } = await packClient(folder);
    const [install = ''] = readBlocks('README.md', 'sh').filter((block) => block.includes('volley-client'));
    const packages = /^npm install \/path\/to\/this\/clone\/dist\/(\S+) ws$/m.exec(install);
    expect(tarball).toBe(join(folder, packages?.[1] ?? ''));
    await promisify(execFile)('npm', ['install', '--offline', '--no-audit', '--no-fund', tarball], { cwd: project });
    // What `npm install ws` would fetch.
    symlinkSync(join(ROOT, 'node_modules/ws'), join(project, 'node_modules/ws'));
    const [example = ''] = readBlocks('README.md', 'js').filter((block) => block.includes('volley-client'));
    writeFileSync(join(project, 'example.js'), place(example));
    await server.post('demo', { text: 'from before', name: 'bob' }, '?wait=stored');
    const running = spawn(process.execPath, ['example.js'], { cwd: project, stdio: ['ignore', 'pipe', 'inherit'] });
    const [printed] = await new Promise<Buffer[]>((resolve) => running.stdout.once('data', (part) => resolve([part])));
    expect(String(printed)).toBe('bob from before\n');
    running.kill();
  });

  it.runIf(findsBrowser('README’s line for the console'))(
    'line for the browser’s console works on the live page',
    async () => {
      const [line = ''] = readBlocks('README.md', 'js').filter((block) => block.startsWith('new WebSocket'));
      const browser = await openBrowser();
      try {
        const page = await browser.newPage();
        const logged: string[] = [];
        page.on('console', (message) => void logged.push(message.text()));
        await page.goto(`${server.apiUrl}/`);
        // The expression gives a function, which cannot come out of the page.
        await page.evaluate(`${place(line).trim().replace(/;$/, '')}, null`);
        await vi.waitFor(() => expect(logged.join('\n')).toContain('"type":"welcome","room":"demo"'), {
          timeout: 10_000,
        });
      } finally {
        await browser.close();
      }
    },
  );
});

describe('the systemd unit of docs/operations.md', () => {
  const [unit = ''] = readBlocks('docs/operations.md', 'ini');

  it('is one that systemd takes', ({ skip }) => {
    try {
      execFileSync('systemd-analyze', ['--version'], { stdio: 'ignore' });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') skip('systemd-analyze is not installed');
      throw error;
    }
    const file = join(folder, 'volley.service');
    // What it names must be there.
    writeFileSync(file, unit.replace('/usr/bin/node', process.execPath).replace('/opt/volley', ROOT));
    const { stdout } = { stdout: execFileSync('systemd-analyze', ['verify', file], { stdio: 'pipe' }).toString() };
    expect(stdout).toBe('');
  });

  it('runs as another user in a folder of root’s, with its store where systemd makes it', async ({ skip }) => {
    if (process.getuid?.() !== 0) skip('only root can start it as another user');
    const nobody = 65_534;
    // As StateDirectory= and DynamicUser= do it.
    const state = join(folder, 'state');
    mkdirSync(join(state, 'volley'), { recursive: true });
    chmodSync(folder, 0o755);
    chownSync(join(state, 'volley'), nobody, nobody);
    const [, line = ''] = /^ExecStart=\S+ (.*)$/m.exec(unit) ?? [];
    expect(unit).toMatch(/^StateDirectory=volley$/m);
    const args = line.replace('dist/src/main.js', `${ROOT}/dist/src/main.js`).replace('%S', state).split(' ');
    const service = spawn(process.execPath, [...args, '--port', '0', '--api-port', '0'], {
      cwd: '/',
      uid: nobody,
      gid: nobody,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let printed = '';
    for (const output of [service.stdout, service.stderr]) {
      output.on('data', (part: Buffer) => {
        printed += part.toString();
      });
    }
    const ended = new Promise((resolve) => service.once('close', resolve));
    try {
      await vi.waitFor(() => expect(printed).toContain('"msg":"ready"'), { timeout: 15_000 });
    } finally {
      service.kill();
    }
    expect(await ended).toBe(0);
  });
});
