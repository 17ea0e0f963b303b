import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { inflateRawSync } from 'node:zlib';
import { unpack } from 'msgpackr';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { compiledFile } from '../../src/compiled-file.ts';
import { decodeMsgpackFrame } from '../../src/frames/codecs.ts';
import {
  CASES,
  type CaseName,
  type FrameKind,
  makeWorkshop,
  type PeerCase,
  readFrames,
  takeComments,
} from './cases.ts';
import { type Address, CONTENDERS, FLOOR, type RunningContender, withDeathSignal } from './contenders.ts';

/** How long a viewer waits for what must come, in ms. */
const DEADLINE = 15_000;

/** A viewer that keeps every message; another WebSocket than the load's, so that the two check each other. */
class FrameViewer {
  readonly socket: WebSocket;
  readonly messages: { readonly bytes: Buffer; readonly isBinary: boolean }[] = [];
  #onMessage = (): void => {};

  private constructor(socket: WebSocket) {
    this.socket = socket;
    socket.on('message', (bytes: Buffer, isBinary) => {
      this.messages.push({ bytes, isBinary });
      this.#onMessage();
    });
  }

  static async open({ url, path, subprotocol, hello, extensions }: Address): Promise<FrameViewer> {
    const protocols = subprotocol === '' ? [] : [subprotocol];
    const socket = new WebSocket(url + path, protocols, { perMessageDeflate: extensions !== undefined });
    const viewer = new FrameViewer(socket);
    await new Promise<void>((resolve, reject) => {
      socket.once('open', resolve).once('error', reject);
    });
    for (const text of hello ?? []) socket.send(text);
    return viewer;
  }

  /** The messages, once there are `count` of the kind. */
  async received(count: number, isBinary = true): Promise<Buffer[]> {
    const end = AbortSignal.timeout(DEADLINE);
    end.addEventListener('abort', () => this.#onMessage());
    for (;;) {
      const found = this.messages.filter((message) => message.isBinary === isBinary);
      if (found.length >= count) return found.map(({ bytes }) => bytes);
      if (end.aborted) throw new Error(`${found.length} of ${count} messages came in time`);
      await new Promise<void>((resolve) => {
        this.#onMessage = resolve;
      });
    }
  }

  close(): void {
    this.socket.terminate();
  }
}

const VIEWERS = 5;
const PUSHES = 8;

const workshop = makeWorkshop();
let running: RunningContender | undefined;
let viewers: FrameViewer[] = [];

async function start(name: string, peerCase: PeerCase): Promise<RunningContender> {
  const contender = CONTENDERS.find((candidate) => candidate.name === name);
  if (contender === undefined) throw new Error(`no contender ${name}`);
  expect(await contender.prepare(workshop)).toHaveProperty('version');
  const started = await contender.start({ peerCase, viewers: VIEWERS, pushes: PUSHES, workshop, warmUpMs: 0 });
  running = started;
  viewers = await Promise.all(Array.from({ length: VIEWERS }, () => FrameViewer.open(started.address)));
  started.push();
  return started;
}

/** A case that pushes more often, so that a test need not wait. */
function hurried(name: CaseName): PeerCase {
  return { ...CASES[name], every: 20 };
}

function framesOf(kind: FrameKind, peerCase: PeerCase): Buffer[] {
  return readFrames(workshop.framesFile(kind, { peerCase, viewers: VIEWERS, pushes: PUSHES }));
}

/** Where `messages` begin in `frames`, when they are these frames from there on, over and over; else -1. */
function findRun(messages: readonly Buffer[], frames: readonly Buffer[]): number {
  return frames.findIndex((_, first) => {
    return messages.every((message, i) => frames[(first + i) % frames.length]?.equals(message) === true);
  });
}

afterEach(async () => {
  for (const viewer of viewers) viewer.close();
  viewers = [];
  await running?.stop();
  running = undefined;
});

afterAll(() => workshop.remove());

describe.each<[name: string, caseName: CaseName, kind: FrameKind, extensions?: string]>([
  ['floor', 'small', 'columns'],
  ['floor', 'large', 'rows'],
  ['uws-send', 'large', 'deflated'],
  ['uws-publish', 'small', 'columns'],
  ['ws', 'small', 'columns', ''],
  ['ws-deflate', 'large', 'rows', 'permessage-deflate'],
])('%s in the case %s', (name, caseName, kind, extensions = '') => {
  it(`sends the ${kind} of the file, one after the other, to every viewer`, async () => {
    const peerCase = hurried(caseName);
    await start(name, peerCase);
    const frames = framesOf(kind, peerCase);
    for (const viewer of viewers) {
      const messages = (await viewer.received(frames.length + 2)).slice(0, frames.length + 2);
      expect(findRun(messages, frames)).toBeGreaterThanOrEqual(0);
      expect(viewer.socket.extensions).toBe(extensions);
    }
  });
});

describe('socket.io', () => {
  it('emits the comments of the frames to every viewer that joins the namespace, as one text', async () => {
    const peerCase = hurried('small');
    await start('socket.io', peerCase);
    const frames = framesOf('columns', peerCase).map((frame) => decodeMsgpackFrame(frame).comments);
    for (const viewer of viewers) {
      // The first two are Socket.IO's own: its open packet, and the answer to `40`.
      const [opened, joined, ...pushes] = (await viewer.received(6, false)).map(String);
      expect(opened).toMatch(/^0\{"sid":/);
      expect(joined).toMatch(/^40\{"sid":/);
      for (const push of pushes) {
        expect(push.slice(0, 10)).toBe('42["push",');
        expect(frames).toContainEqual((JSON.parse(push.slice(2)) as unknown[])[1]);
      }
      expect(viewer.messages.filter(({ isBinary }) => isBinary)).toEqual([]);
    }
  });
});

describe('volley', () => {
  it.each(['small', 'large'] as const)(
    'pushes the comments that it is fed with, in the case %s, and tells when it is gone',
    async (name) => {
      const peerCase = CASES[name];
      const started = await start('volley', peerCase);
      // All that is posted before it begins again; a push that was late may hold two posts.
      const posted = takeComments(PUSHES * peerCase.comments).map(({ text }) => text);
      for (const viewer of viewers) {
        const [frame] = await viewer.received(1);
        const bytes = name === 'large' ? inflateRawSync(frame as Buffer) : (frame as Buffer);
        const texts = decodeMsgpackFrame(bytes).comments.map(({ text }) => text);
        expect(texts.length % peerCase.comments).toBe(0);
        expect([...posted, ...posted].join('\n')).toContain(texts.join('\n'));
      }
      expect(started.findFault?.()).toBeUndefined();
      process.kill(started.pid, 'SIGKILL');
      expect(await started.ended).toBe('ended by SIGKILL');
      await expect.poll(() => started.findFault?.(), { timeout: 5_000 }).toMatch(/^did not take all comments \(\w+\)$/);
    },
  );
});

describe('the floor', () => {
  it('lets a viewer that does not read miss pushes, and never cuts a frame', async () => {
    const peerCase = { ...CASES.large, every: 4 };
    await start('floor', peerCase);
    const [slow, quick] = viewers as [FrameViewer, FrameViewer];
    slow.socket.pause();
    // More than the two sockets can hold between them.
    await quick.received(400);
    slow.socket.resume();
    // What the sockets held is long read when so many more have come.
    await quick.received(quick.messages.length + 200);
    const messages = await slow.received(200);
    const frames = framesOf('rows', peerCase);
    expect(messages.filter((message) => !frames.some((frame) => frame.equals(message)))).toEqual([]);
    expect(messages.length).toBeLessThan(quick.messages.length - 10);
  });

  it('hangs up on what is no WebSocket handshake', async () => {
    const { address } = await start('floor', hurried('small'));
    const answer = fetch(address.url.replace('ws:', 'http:'));
    await expect(answer).rejects.toThrow('fetch failed');
    expect(await viewers[0]?.received(3)).not.toEqual([]);
  });

  it('is left out where there is no compiler', async () => {
    const { PATH } = process.env;
    process.env.PATH = '/nowhere';
    try {
      expect(await FLOOR.prepare(workshop)).toEqual({ missing: 'no C compiler (cc) is installed' });
    } finally {
      process.env.PATH = PATH;
    }
  });
});

describe('rows', () => {
  it('hold the eight members of every comment', () => {
    const [first] = framesOf('rows', CASES.large);
    const rows = unpack(first as Buffer) as unknown[][];
    const drafts = takeComments(1_000);
    expect(rows.map((row) => row[3])).toEqual(drafts.map(({ text }) => text));
    expect(rows.map((row) => [row[5], row[6]])).toEqual(drafts.map(({ color, size }) => [color, size]));
    expect(new Set(rows.map((row) => row.length))).toEqual(new Set([8]));
    expect(new Set(rows.map(([id]) => id)).size).toBe(1_000);
  });
});

const NAMES = ['volley', 'floor', 'uws-send', 'uws-publish', 'ws', 'socket.io'];

/** As in util-linux, but not everywhere. */
const hasDeathSignal = (await withDeathSignal('true', []))[0] === 'setpriv';

const folder = mkdtempSync(join(tmpdir(), 'orphans-'));

/** Whether `pid` runs; one that has ended but that nobody has waited for does not. */
function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'latin1'));
  } catch {
    return false;
  }
}

async function startParent(names: readonly string[]) {
  const parent = spawn(process.execPath, [compiledFile('bench/peers/contender-parent.fixture.js'), ...names], {
    env: { ...process.env, TMPDIR: folder },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = (await once(createInterface({ input: parent.stdout }), 'line')) as [string];
  return { parent, pids: JSON.parse(line) as number[] };
}

afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function expectEnd(names: readonly string[], signal: NodeJS.Signals): Promise<void> {
  const { parent, pids } = await startParent(names);
  expect(pids.filter(isRunning)).toHaveLength(names.length);
  parent.kill(signal);
  await expect.poll(() => names.filter((_, i) => isRunning(pids[i] ?? 0)), { timeout: 15_000 }).toEqual([]);
}

describe('contenders', () => {
  it('end when their parent is gone by SIGKILL', () => expectEnd(NAMES, 'SIGKILL'));

  it.runIf(hasDeathSignal)('end then where they do not look at stdin', () => expectEnd(['heir'], 'SIGKILL'));

  it('end when their parent ends by itself, whether they look at stdin or not', () => {
    return expectEnd(['stranger', 'floor'], 'SIGTERM');
  });
});
