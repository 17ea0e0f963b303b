/** The SDK's types as they are packed, under the oldest TypeScript that docs/client.md names and the newest. */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packClient } from './pack-client.ts';

const run = promisify(execFile);

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const COMPILERS = ['5.0', 'of the project'] as const;
const RESOLUTIONS = ['node16', 'nodenext', 'bundler'] as const;
const PACKAGES = { volley: 'volley/client', 'volley-client': 'volley-client' } as const;

const USE = `
import { attachDanmaku, connect, playRoom, VolleyClientError } from 'PACKAGE';
import type { ConnectOptions, HandshakeReport, LiveComment, RoomConnection } from 'PACKAGE';
const options: ConnectOptions = { url: 'ws://127.0.0.1:9000', room: 'demo', history: 50, backoff: { first: 1, most: 2 } };
const room: RoomConnection = connect(options);
room.on('fault', (error: VolleyClientError) => error.code === 'TOO_LARGE');
room.on('blocked', ({ attempts, message }: HandshakeReport) => attempts.toFixed() + message.trim());
async function use(): Promise<void> {
  for await (const comment of room) comment.text.trim() + comment.time.toFixed();
  const answer = await room.send({ text: 'gj', mode: 'top' });
  if ('refused' in answer) answer.refused.trim();
  else answer.id.trim();
}
const { playout, detach } = playRoom(room, { show: (comment: LiveComment) => comment.text });
playout.perSecond = 20;
detach();
attachDanmaku.call;
// @ts-expect-error there is no such event, which shows that these are types and not any
room.on('nonsense', () => {});
// @ts-expect-error nor such a mode
room.send({ text: 'gj', mode: 'sideways' });
`;

/** What a page or Node.js has, given as options. */
const USE_OF_PLATFORM = `
import { connect } from 'PACKAGE';
connect({ url: 'ws://127.0.0.1:9000', room: 'demo', WebSocket, fetch });
`;

describe.each(Object.entries(PACKAGES))('the types of the tarball of %s', (name, specifier) => {
  let folder: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'volley-types-'));
    const modules = join(folder, 'node_modules', name);
    await mkdir(modules, { recursive: true });
    const tarball = name === 'volley' ? await packServer(folder) : (await packClient(folder)).tarball;
    await run('tar', ['xzf', tarball, '-C', modules, '--strip-components=1']);
    const compilers = COMPILERS.slice(0, -1).map((version) => `typescript-${version}@npm:typescript@~${version}.0`);
    const tools = join(folder, 'tools');
    await mkdir(tools);
    await writeFile(join(tools, 'package.json'), '{}');
    await run('npm', ['install', '--no-audit', '--no-fund', '--prefer-offline', ...compilers], { cwd: tools });
    await writeFile(join(folder, 'package.json'), '{ "type": "module" }');
    await writeFile(join(folder, 'use.ts'), USE.replaceAll('PACKAGE', specifier));
    await writeFile(join(folder, 'use-of-platform.ts'), USE_OF_PLATFORM.replaceAll('PACKAGE', specifier));
  });

  afterAll(() => rm(folder, { recursive: true, force: true }));

  /** What the compiler of this version says, '' where it has nothing to say. */
  async function compile(compiler: (typeof COMPILERS)[number], options: object, files: string[]): Promise<string> {
    const compilerOptions = { noEmit: true, strict: true, exactOptionalPropertyTypes: true, types: [], ...options };
    await writeFile(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files }));
    const isOurs = compiler === 'of the project';
    const folderOf = isOurs
      ? join(ROOT, 'node_modules/typescript')
      : join(folder, `tools/node_modules/typescript-${compiler}`);
    const tsc = join(folderOf, 'lib/tsc.js');
    try {
      return (await run(process.execPath, [tsc, '-p', folder])).stdout;
    } catch (error) {
      return String((error as { stdout?: string }).stdout ?? error);
    }
  }

  describe.each(COMPILERS)('with TypeScript %s', (compiler) => {
    it.each(RESOLUTIONS)('work where modules are resolved as %s', async (moduleResolution) => {
      const module = moduleResolution === 'bundler' ? 'es2022' : moduleResolution;
      const options = { target: 'es2022', lib: ['es2022', 'dom'], module, moduleResolution };
      expect(await compile(compiler, options, ['use.ts', 'use-of-platform.ts'])).toBe('');
    });

    it('work without the types of a browser', async () => {
      const options = { target: 'es2022', lib: ['es2022'], module: 'node16', moduleResolution: 'node16' };
      expect(await compile(compiler, options, ['use.ts'])).toBe('');
    });
  });
});

/** The tarball of the server's package, which has the SDK as `volley/client`. */
async function packServer(folder: string): Promise<string> {
  const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', folder], { cwd: ROOT });
  const [{ filename }] = JSON.parse(stdout) as [{ filename: string }];
  return join(folder, filename);
}
