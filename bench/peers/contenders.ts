/** Volley, and the servers that it is held against. */
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { WebSocket } from 'ws';
import { compiledFile, readVersion } from '../../src/compiled-file.ts';
import type { LoadPlan } from '../load/plan.ts';
import { BenchError } from '../options.ts';
import { makeFeed, startSteadyFeed, steadySchedule } from '../run/feed.ts';
import { ChildServer, cleanEnvironment, startVolley } from '../run/server.ts';
import { type CaseName, type FrameKind, type PeerCase, type PushOrder, takeComments, type Workshop } from './cases.ts';

const run = promisify(execFile);

export interface StartOrder extends PushOrder {
  readonly workshop: Workshop;
  /** How long JavaScript runs before it is measured, beyond the warm-up that all have; ms. */
  readonly warmUpMs: number;
}

export type Address = Pick<LoadPlan, 'url' | 'subprotocol' | 'protocol' | 'opaqueFrames' | 'hello' | 'extensions'> & {
  readonly path: string;
};

/** A server that pushes between `push` and `pause`; it may push before the first of them. */
export interface RunningContender {
  readonly address: Address;
  readonly pid: number;
  /** How long it is to push to its viewers before it is measured, beyond the warm-up that all have; ms. */
  readonly warmUpMs: number;
  readonly ended: Promise<string>;
  push(): void;
  pause(): void;
  /** What spoils the figures though the load saw nothing of it, as the end of a sentence that begins with its name. */
  findFault?(): string | undefined;
  stop(): Promise<unknown>;
}

export interface Contender {
  readonly name: string;
  /** What it is and how it sends, for the page: a sentence without a full stop. */
  readonly describe: string;
  readonly cases: readonly CaseName[];
  /** Builds what has to be built, once a run; says why it cannot take part, without a full stop. */
  prepare(workshop: Workshop): Promise<{ readonly version: string } | { readonly missing: string }>;
  /** Starts the server; throws BenchError when it does not, and nothing is left running then. */
  start(order: StartOrder): Promise<RunningContender>;
}

/** The address of a server that knows nothing of volley's protocol. */
export function opaqueAddress(port: number, path = '/', other: Partial<Address> = {}): Address {
  return { url: `ws://127.0.0.1:${port}`, path, subprotocol: '', protocol: 'opaque', ...other };
}

const ROOM = 'bench';

/** Rooms with one viewer each that are posted to while the server warms up, and how often a comment comes to each. */
const WARM_UP_ROOMS = Array.from({ length: 8 }, (_, i) => `warm-up-${i}`);
const WARM_UP_MS_A_COMMENT = 0.5;

export const VOLLEY: Contender = {
  name: 'volley',
  describe: 'this project: one worker thread, fed over HTTP with the comments of a push at a time',
  cases: ['small', 'large', 'spread'],
  prepare: async () => ({ version: `volley ${readVersion()}` }),
  start: async ({ peerCase, pushes, warmUpMs }) => {
    const { comments, every, subprotocol } = peerCase;
    const flags = ['--workers', '1', '--interval', String(every), '--idle-timeout', '900'];
    const { child, viewerUrl, apiUrl, pid } = await startVolley(flags, 'volley', cleanEnvironment());
    await warmUp(viewerUrl, apiUrl, peerCase, warmUpMs);
    const schedule = steadySchedule(1, comments, every);
    const feed = makeFeed({ apiUrl, rooms: [ROOM], schedule, comments: takeComments(pushes * comments) });
    return {
      address: { url: viewerUrl, path: `/rooms/${ROOM}`, subprotocol, protocol: 'volley' },
      pid,
      warmUpMs: 0,
      ended: child.ended,
      push: feed.start,
      pause: feed.pause,
      findFault: () => {
        const { refused } = feed.read();
        return refused.size === 0 ? undefined : `did not take all comments (${[...refused.keys()].join(', ')})`;
      },
      stop: () => {
        feed.stop();
        return child.stop();
      },
    };
  },
};

/**
 * Has the server's code compiled before it is measured, as it is after the first minutes of a stream: at ten posts a
 * second V8 would still be at it for most of the run. Whether all of these posts are taken does not matter.
 */
async function warmUp(viewerUrl: string, apiUrl: string, { comments, subprotocol }: PeerCase, ms: number) {
  const viewers = WARM_UP_ROOMS.map((room) => new WebSocket(`${viewerUrl}/rooms/${room}`, subprotocol));
  await Promise.all(viewers.map((viewer) => once(viewer, 'open')));
  const feed = startSteadyFeed(apiUrl, WARM_UP_ROOMS, comments, Math.max(1, comments * WARM_UP_MS_A_COMMENT));
  await sleep(ms);
  feed.stop();
  for (const viewer of viewers) viewer.terminate();
}

/** The contender of a process that takes `+` and `-` on stdin. */
function toRunning(server: ChildServer, address: Address, warmUpMs = 0): RunningContender {
  return {
    address,
    pid: server.pid,
    warmUpMs,
    ended: server.ended,
    push: () => server.tell('+'),
    pause: () => server.tell('-'),
    stop: () => server.stop(),
  };
}

export const FLOOR: Contender = {
  name: 'floor',
  describe:
    'the least that one host can do with ordinary calls, in C: one thread, one `send(2)` of a ready frame a viewer and ' +
    'push; in the large case of msgpack rows, else of the very frames that volley sends',
  cases: ['small', 'large', 'spread'],
  prepare: async ({ folder }) => {
    const version = await readToolVersion('cc', '--version');
    if (version === undefined) return { missing: 'no C compiler (cc) is installed' };
    const source = compiledFile('../bench/peers/floor.c');
    const fault = await build('cc', ['-O2', '-Wall', '-Wextra', '-o', join(folder, 'floor'), source]);
    if (fault !== undefined) throw new BenchError(`floor.c does not compile: ${fault}`);
    return { version: `C, ${version}` };
  },
  start: async (order) => {
    const { peerCase, workshop } = order;
    const frames = workshop.framesFile(peerCase.name === 'large' ? 'rows' : 'columns', order);
    const server = new ChildServer('floor', join(workshop.folder, 'floor'), [frames, String(peerCase.every)]);
    return toRunning(server, opaqueAddress(await server.findPort()));
  },
};

function javaScript(
  name: string,
  describe: string,
  sends: Partial<Record<CaseName, FrameKind>>,
  version: () => string | Promise<string>,
  address: Partial<Address> = {},
): Contender {
  return {
    name,
    describe,
    cases: Object.keys(sends) as CaseName[],
    prepare: async () => ({ version: await version() }),
    start: async (order) => {
      const { peerCase, workshop, warmUpMs } = order;
      const frames = workshop.framesFile(sends[peerCase.name] ?? 'columns', order);
      const args = [compiledFile('bench/peers/peer-server.js'), name, frames, String(peerCase.every)];
      const server = new ChildServer(name, process.execPath, args, cleanEnvironment());
      return toRunning(server, opaqueAddress(await server.findPort(), '/', address), warmUpMs);
    },
  };
}

/** Loads it: which of the packages is used is not known before. */
const readUwsVersion = async (): Promise<string> => (await import('../../workers/uws.ts')).library;

function readPackageVersion(folder: string) {
  return (): string => {
    const path = compiledFile(`../node_modules/${folder}/package.json`);
    const { name, version } = JSON.parse(readFileSync(path, 'utf8')) as { name: string; version: string };
    return `${name} ${version}`;
  };
}

const UWS_FRAMES = { small: 'columns', large: 'deflated' } as const;
const UWS_SEND = 'plain uWebSockets.js: one `send` a viewer, of the very frames that volley sends';
const UWS_PUBLISH =
  'uWebSockets.js alone in a worker thread, publishing the very frames that volley sends from shared memory: ' +
  "what is left of volley's way when all of volley is taken away";
const WS = 'ws, without compression: one `send` a viewer, of the very frames that volley sends';
const WS_DEFLATE =
  'ws with permessage-deflate at its own level: msgpack rows, compressed by the library once a viewer; ' +
  'a viewer with more than 1 MiB waiting misses pushes';
const SOCKET_IO =
  'Socket.IO over WebSocket only: `io.emit` of the comments as an array of objects, which goes out as one JSON ' +
  'text; that costs it half of what the same frame as a Buffer does, which it sends as two messages a viewer';
/** `40` is the packet that joins the main namespace. */
const SOCKET_IO_ADDRESS = {
  path: '/socket.io/?EIO=4&transport=websocket',
  hello: ['40'],
  opaqueFrames: 'text',
} as const;

const JAVASCRIPT: readonly Contender[] = [
  javaScript('uws-send', UWS_SEND, UWS_FRAMES, readUwsVersion),
  javaScript('uws-publish', UWS_PUBLISH, UWS_FRAMES, readUwsVersion),
  javaScript('ws', WS, { small: 'columns' }, readPackageVersion('ws')),
  javaScript('ws-deflate', WS_DEFLATE, { large: 'rows' }, readPackageVersion('ws'), {
    extensions: 'permessage-deflate',
  }),
  javaScript('socket.io', SOCKET_IO, { small: 'columns' }, readPackageVersion('socket.io'), SOCKET_IO_ADDRESS),
];

/** Comes with the workplace, not with the project. */
const ARTICLE = compiledFile('../../shared/perf');

/** The design that this project began with, in Go. */
const GO_ARTICLE: Contender = {
  name: 'go-article',
  describe:
    'the seed article’s design in Go (shared/perf): gorilla/websocket, a reader and a writer goroutine a viewer with ' +
    'channels, the connections in shards under locks, one JSON a push with comments of its own',
  cases: ['small', 'large'],
  prepare: async ({ folder }) => {
    if (!existsSync(join(ARTICLE, 'go-article'))) return { missing: '../shared/perf/go-article is not there' };
    const version = await readToolVersion('go', 'version');
    if (version === undefined) return { missing: 'Go is not installed' };
    const fault = await build('make', ['-C', ARTICLE, 'go-article', `OUT=${folder}`]);
    if (fault !== undefined) return { missing: `it does not build (${fault})` };
    return { version: version.replace(/^go version /, '') };
  },
  start: async ({ peerCase, workshop }) => {
    const { comments, every } = peerCase;
    const port = await findFreePort();
    const flags = ['-port', port, '-rate', comments, '-tick', every].map(String);
    const [file, args] = await withDeathSignal(join(workshop.folder, 'go-article'), flags);
    const server = new ChildServer('go-article', file, args);
    await server.answerOn(port);
    // It takes no orders, so it is stopped as it stands.
    return {
      ...toRunning(server, opaqueAddress(port, '/ws')),
      push: () => server.signal('SIGCONT'),
      pause: () => server.signal('SIGSTOP'),
      stop: () => {
        server.signal('SIGCONT');
        return server.stop();
      },
    };
  },
};

export const CONTENDERS: readonly Contender[] = [VOLLEY, FLOOR, ...JAVASCRIPT, GO_ARTICLE];

/**
 * The program and arguments to start instead, so that Linux kills `file` when its parent ends, even by SIGKILL, and even
 * while it is stopped; the process is the same, `setpriv` of util-linux becomes `file`. Without setpriv, what was given.
 */
export async function withDeathSignal(file: string, args: readonly string[]): Promise<[string, readonly string[]]> {
  const flags = ['--pdeathsig', 'KILL'];
  const isThere = (await build('setpriv', [...flags, 'true'])) === undefined;
  return isThere ? ['setpriv', [...flags, file, ...args]] : [file, args];
}

async function readToolVersion(tool: string, flag: string): Promise<string | undefined> {
  try {
    return firstLine((await run(tool, [flag])).stdout);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Returns the first line of what a failing build says; undefined when it succeeds. */
async function build(tool: string, args: readonly string[]): Promise<string | undefined> {
  return run(tool, args).then(
    () => undefined,
    (error: { stderr?: string }) => firstLine(String(error.stderr)),
  );
}

function firstLine(text: string): string {
  return text.split('\n').find((line) => line.trim() !== '') ?? '';
}

async function findFreePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  await once(probe.close(), 'close');
  return port;
}
