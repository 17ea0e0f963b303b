import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { ServerHere } from '../src/testing/server-here.ts';
import { ViewerClient } from '../src/testing/viewer-client.ts';
import { request } from './viewers-port.fixture.ts';

const page = readFileSync(new URL('../docs/operations.md', import.meta.url), 'utf8');
const folder = mkdtempSync(join(tmpdir(), 'volley-balancers-'));
const children: ChildProcess[] = [];
let server: ServerHere;

beforeAll(async () => {
  server = await ServerHere.start(['--workers', '1']);
});

afterAll(async () => {
  for (const child of children) {
    if (child.kill('SIGTERM')) await new Promise((resolve) => child.once('exit', resolve));
  }
  await server.stop();
  rmSync(folder, { recursive: true });
});

/** What docs/operations.md shows for `language`, for this server and a free port; gives the port too. */
async function readLines(language: string): Promise<{ lines: string; port: number }> {
  const block = new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, 'ms').exec(page)?.[1] ?? '';
  const port = await findPort();
  const lines = block
    .replace('127.0.0.1:9000', new URL(server.viewerUrl).host)
    .replace(/(bind :|listen )80\b/, (_, word: string) => `${word.replace(':', '')}127.0.0.1:${port}`);
  expect(lines).toContain(`127.0.0.1:${port}`);
  return { lines, port };
}

function findPort(): Promise<number> {
  return new Promise((resolve) => {
    const probe = createServer().listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as AddressInfo;
      probe.close(() => resolve(port));
    });
  });
}

function isInstalled(program: string): boolean {
  try {
    execFileSync(program, ['-v'], { stdio: 'ignore' });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}

/** Writes the configuration to a file and runs the program on it. */
function run(program: string, config: string, ...args: string[]): void {
  const file = join(folder, `${program}.conf`);
  writeFileSync(file, config);
  children.push(spawn(program, [...args, file], { stdio: 'ignore' }));
}

/** A room can be watched through the port, and its health asked for. */
async function expectToServe(port: number): Promise<void> {
  const url = `ws://127.0.0.1:${port}`;
  await vi.waitFor(async () => expect((await request(url, '/healthz', {}, 'GET')).body).toBe('ok'), {
    timeout: 10_000,
  });
  const viewer = new ViewerClient(url, 'balanced');
  expect(await viewer.welcome()).toMatchObject({ room: 'balanced' });
  await viewer.close();
}

/** The only server's line of HAProxy's statistics, by column. */
function askStatistics(socket: string): Promise<Map<string, string>> {
  return new Promise((resolve, reject) => {
    let text = '';
    const asked = connect(socket, () => asked.write('show stat\n'));
    asked.on('data', (part) => {
      text += part;
    });
    asked.on('error', reject);
    asked.on('end', () => {
      const [names = '', ...rows] = text.trim().split('\n');
      const values = rows.find((row) => row.includes(',volley1,'))?.split(',') ?? [];
      resolve(
        new Map(
          names
            .replace('# ', '')
            .split(',')
            .map((name, i) => [name, values[i] ?? '']),
        ),
      );
    });
  });
}

describe('the lines of docs/operations.md', () => {
  it('for HAProxy: the check finds the server healthy, and viewers get through', async ({ skip }) => {
    if (!isInstalled('haproxy')) skip('haproxy is not installed');
    const { lines, port } = await readLines('haproxy');
    const socket = join(folder, 'haproxy.sock');
    run('haproxy', `global\n    stats socket ${socket}\n\n${lines}`, '-db', '-f');
    const checked = await vi.waitFor(
      async () => {
        const statistics = await askStatistics(socket);
        // INI before the first check, and a star while one is under way.
        expect(statistics.get('check_status')).toMatch(/^L\d/);
        return statistics;
      },
      { timeout: 10_000 },
    );
    expect([checked.get('check_status'), checked.get('check_code')]).toEqual(['L7OK', '200']);
    await expectToServe(port);
  });

  it('for nginx: health and viewers get through', async ({ skip }) => {
    if (!isInstalled('nginx')) skip('nginx is not installed');
    const { lines, port } = await readLines('nginx');
    const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
      (name) => `${name}_temp_path ${folder}/${name};`,
    );
    const around = `daemon off; master_process off; pid ${folder}/nginx.pid; error_log stderr; events {}`;
    run('nginx', `${around}\nhttp {\naccess_log off;\n${paths.join('\n')}\n${lines}}\n`, '-e', 'stderr', '-c');
    await expectToServe(port);
  });
});
