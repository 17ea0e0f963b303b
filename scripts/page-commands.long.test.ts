import { execFile, execFileSync, spawn } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify, stripVTControlCharacters } from 'node:util';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { findsBrowser, openBrowser } from '../src/testing/browser.ts';
import { ServerProcess, startProcess } from '../src/testing/server-process.ts';
import { ViewerClient } from '../src/testing/viewer-client.ts';
import { packClient } from './pack-client.ts';

/** The folder that pages are relative to, and in which their commands are typed. */
const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** A command that a page shows in a block of the language `console`, and what the page says that it prints. */
interface PageCommand {
  readonly command: string;
  readonly output: string;
}

/** What stands in a page's blocks of a language, in order. */
function readBlocks(page: string, language: string): string[] {
  const text = readFileSync(`${ROOT}/${page}`, 'utf8');
  return [...text.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, 'gms'))].map(([, block = '']) => block);
}

/** The commands of a page: lines that begin with `$ `, with the lines that a `\` continues them on. */
function readCommands(page: string): PageCommand[] {
  return readBlocks(page, 'console').flatMap((block) => {
    const parts = block.split(/^\$ /m).slice(1);
    return parts.map((part) => {
      const [command = ''] = /^(?:.*\\\n)*.*\n/.exec(part) ?? [];
      return { command: command.trimEnd(), output: part.slice(command.length) };
    });
  });
}

/** Takes out what differs from run to run: times, durations, and ports that are not the page's. */
function maskTimes(text: string): string {
  return text
    .replaceAll('\r', '')
    .replaceAll(/\b1[5-9]\d{11}\b/g, 'MS')
    .replaceAll(/\b1[5-9]\d{8}\b/g, 'SECONDS')
    .replaceAll(/\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT/g, 'DATE')
    .replaceAll(/\b\d:\d\d:\d\d\.\d\d\b/g, 'TIME')
    .replaceAll(/^\[?\d\d:\d\d:\d\d(\.\d+)?\]?/gm, 'TIME')
    .replaceAll(/(<d p=")[\d.]+/g, '$1TIME')
    .replaceAll(/\b\d+\.\d+ s\b/g, 'DURATION')
    .replaceAll(/"pid":\d+/g, '"pid":PID')
    .trimEnd();
}

/**
 * Types a command into a shell and gives what it prints on stdout and stderr, once it has ended or has printed as many
 * lines as are `wanted` (for commands that never end). `places` are put in place of what the page says, in the command
 * and, the other way round, in what it prints.
 */
function typeCommand(command: string, places: readonly (readonly [string, string])[], wanted: number): Promise<string> {
  const real = places.reduce((text, [shown, place]) => text.replaceAll(shown, place), command);
  // curl draws a bar where its output is no terminal.
  const typed = real.replace(/^curl /, 'curl -sS ');
  const shell = spawn('bash', ['-c', typed], {
    cwd: ROOT,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  return new Promise((resolve) => {
    let text = '';
    const take = (part: Buffer): void => {
      text += part.toString();
      if (text.split('\n').length > wanted && /curl -sN/.test(command)) process.kill(-(shell.pid ?? 0), 'SIGTERM');
    };
    shell.stdout.on('data', take);
    shell.stderr.on('data', take);
    shell.once('close', () => resolve(places.reduce((all, [shown, place]) => all.replaceAll(place, shown), text)));
  });
}

/** The pages whose commands run here. */
const PAGES = ['README.md', 'docs/bench.md'];

/** What is typed in place of the pages' loads and durations, which would take a quarter of an hour. */
function lighten(command: string): string {
  return command
    .replace(/ -c \d+/, ' -c 200')
    .replace(/ -d \d+/, '')
    .replace(/ --turns \d+$/, ' --turns 1 --viewers 1000')
    .replace(/ > \S+\.json$/, '')
    .replace(/^(npm run (-s )?bench -- .*)$/, '$1 -d 2 --warmup 1')
    .replace(/measure -- pruning$/, 'measure -- pruning --batches 5000 --rooms 5 --seconds 1');
}

/** What each line is about: its words before the first number or gap. Notes come and go with the figures. */
function readLabels(text: string): string[] {
  const lines = text
    .split('\n')
    .filter((line) => /^[ │]?\s?[a-z]/i.test(line) && !/^(note|warning|AMD|Intel|[A-Z])/.test(line));
  return lines.map(
    (line) =>
      line
        .replace(/^[│ ]+/, '')
        .split(/ {2,}|\d|–|│/)[0]
        ?.trim() ?? '',
  );
}

const MEASURING = /^npm run (-s )?(bench|measure)/;

describe('the pages’', () => {
  let server: ServerProcess;
  let places: [string, string][];

  beforeAll(async () => {
    server = await startProcess(['--workers', '1']);
    places = [
      ['127.0.0.1:9000', new URL(server.viewerUrl).host],
      ['127.0.0.1:9001', new URL(server.apiUrl).host],
    ];
  });

  afterAll(async () => {
    expect(await server.stop()).toBe(0);
  });

  it('replay says what README says', async () => {
    const { command = '', output } = readCommands('README.md').find(({ command }) => command.includes('replay')) ?? {};
    const printed = await typeCommand(command.replace('npm run', 'npm run -s'), places, Number.POSITIVE_INFINITY);
    expect(maskTimes(printed)).toBe(maskTimes(output ?? ''));
  });

  it.each(PAGES.flatMap(readCommands).filter(({ command }) => MEASURING.test(command)))(
    '$command prints the lines that its page shows',
    async ({ command, output }) => {
      const typed = lighten(command).replace('npm run ', 'npm run -s ');
      const labels = readLabels(await typeCommand(typed, [], Number.POSITIVE_INFINITY));
      expect([...new Set(labels)]).toEqual([...new Set(readLabels(output))]);
    },
  );

  it.each(
    PAGES.flatMap((page) => readBlocks(page, 'sh'))
      .flatMap((block) => block.split('\n'))
      .filter((line) => MEASURING.test(line)),
  )('%s measures something', async (command) => {
    const printed = await typeCommand(
      lighten(command).replace('npm run bench', 'npm run -s bench'),
      places,
      Number.POSITIVE_INFINITY,
    );
    if (command.includes('--json')) expect(JSON.parse(printed)).toMatchObject({ tool: 'volley bench' });
    else expect(printed).toMatch(/^ a delivered frame +[1-9]/m);
  });
});

describe('with a server for each:', () => {
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
      // The recording and the benches have tests of their own, above. What a taken port is told has a test below.
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
      const plain = stripVTControlCharacters(text);
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
      const [printed] = await new Promise<Buffer[]>((resolve) =>
        running.stdout.once('data', (part) => resolve([part])),
      );
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
});
