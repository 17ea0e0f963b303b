/** Contenders that are built where their compilers are there. */
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { compiledFile } from '../../src/compiled-file.ts';
import { BenchError } from '../bench-error.ts';
import { ChildServer } from './child-server.ts';
import { type Contender, opaqueAddress } from './contender.ts';
import { withDeathSignal } from './death-signal.ts';

const run = promisify(execFile);

const FLOOR_SOURCE = compiledFile('../bench/peers/floor.c');

/** Comes with the workplace, not with the project. */
const ARTICLE_MAKEFILE = compiledFile('../../shared/perf');

/** The least that one host can do with ordinary calls. */
export const FLOOR: Contender = {
  name: 'floor',
  describe:
    'the least that one host can do with ordinary calls, in C: one thread, one `send(2)` of a ready frame a viewer and ' +
    'push; in the large case of msgpack rows, else of the very frames that volley sends',
  cases: ['small', 'large', 'spread'],
  prepare: async ({ folder }) => {
    const version = await readToolVersion('cc', '--version');
    if (version === undefined) return { missing: 'no C compiler (cc) is installed' };
    try {
      await run('cc', ['-O2', '-Wall', '-Wextra', '-o', join(folder, 'floor'), FLOOR_SOURCE]);
    } catch (error) {
      throw new BenchError(`floor.c does not compile: ${firstLine(String((error as { stderr?: string }).stderr))}`);
    }
    return { version: `C, ${version}` };
  },
  start: async (order) => {
    const { peerCase, workshop } = order;
    const frames = workshop.framesFile(peerCase.name === 'large' ? 'rows' : 'columns', order);
    const server = new ChildServer('floor', join(workshop.folder, 'floor'), [frames, String(peerCase.every)]);
    const port = await server.findPort();
    return {
      address: opaqueAddress(port),
      pid: server.pid,
      warmUpMs: 0,
      ended: server.ended,
      stop: () => server.stop(),
    };
  },
};

/** The design that this project began with, in Go. */
export const GO_ARTICLE: Contender = {
  name: 'go-article',
  describe:
    'the seed article’s design in Go (shared/perf): gorilla/websocket, a reader and a writer goroutine a viewer with ' +
    'channels, the connections in shards under locks, one JSON a push with comments of its own',
  cases: ['small', 'large'],
  prepare: async ({ folder }) => {
    if (!existsSync(join(ARTICLE_MAKEFILE, 'go-article'))) return { missing: '../shared/perf/go-article is not there' };
    const version = await readToolVersion('go', 'version');
    if (version === undefined) return { missing: 'Go is not installed' };
    try {
      await run('make', ['-C', ARTICLE_MAKEFILE, 'go-article', `OUT=${folder}`]);
    } catch (error) {
      return { missing: `it does not build (${firstLine(String((error as { stderr?: string }).stderr))})` };
    }
    return { version: version.replace(/^go version /, '') };
  },
  start: async ({ peerCase, workshop }) => {
    const { comments, every } = peerCase;
    const port = await findFreePort();
    const flags = ['-port', port, '-rate', comments, '-tick', every].map(String);
    // It does not look at its stdin.
    const [file, args] = await withDeathSignal(join(workshop.folder, 'go-article'), flags);
    const server = new ChildServer('go-article', file, args);
    await server.answerOn(port);
    return {
      address: opaqueAddress(port, '/ws'),
      pid: server.pid,
      warmUpMs: 0,
      ended: server.ended,
      stop: () => server.stop(),
    };
  },
};

/** The first line of what a tool says of its version; undefined when it is not installed. */
async function readToolVersion(tool: string, flag: string): Promise<string | undefined> {
  try {
    return firstLine((await run(tool, [flag])).stdout);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

function firstLine(text: string): string {
  return text.split('\n').find((line) => line.trim() !== '') ?? '';
}

async function findFreePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, 'close');
  return port;
}
