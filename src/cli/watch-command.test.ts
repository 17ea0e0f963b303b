import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { compiledFile } from '../compiled-file.ts';
import { CODECS } from '../frames/codec.ts';
import { ServerHere } from '../testing/server-here.ts';
import { ServerProcess } from '../testing/server-process.ts';

let server: ServerHere;

beforeAll(async () => {
  server = await ServerHere.start(['--interval', '50', '--workers', '1', '--memory-comments', '4']);
});

afterAll(async () => {
  for (const { child } of watchers) child.kill('SIGKILL');
  await server.stop();
});

const watchers: ServerProcess[] = [];

function watch(...args: string[]): ServerProcess {
  const watcher = new ServerProcess('src/main.js', ['watch', ...args], {});
  watchers.push(watcher);
  return watcher;
}

/** Watches `room` and waits until it is welcome. */
async function join(room: string, ...args: string[]): Promise<ServerProcess> {
  const watcher = watch(`${server.viewerUrl}/rooms/${room}`, ...args);
  await noted(watcher, `-- ${room.split('?')[0]}: `);
  return watcher;
}

/** Waits until `watcher` has written `text` to stderr. */
async function noted(watcher: ServerProcess, text: string | RegExp): Promise<void> {
  await vi.waitFor(() => expect(watcher.stderr).toMatch(text), { timeout: 15_000 });
}

/** Waits until a comment of `text` is printed, and gives all that was, without the times of day. */
async function printed(watcher: ServerProcess, text: string): Promise<string[]> {
  await watcher.logged(({ msg }) => msg?.endsWith(text) === true);
  return watcher.lines.map(({ msg = '' }) => {
    expect(msg).toMatch(/^\d\d:\d\d:\d\d /);
    return msg.slice(9);
  });
}

/** Stores comments, each in a batch of its own. */
async function post(room: string, ...texts: string[]): Promise<void> {
  for (const text of texts) expect((await server.post(room, { text }, '?wait=stored')).status).toBe(201);
}

function outcome(watcher: ServerProcess): Promise<{ code: number | NodeJS.Signals; stderr: string }> {
  return watcher.ended.then((code) => ({ code, stderr: watcher.stderr }));
}

describe('volley watch', () => {
  it.each(CODECS)('prints comments as they come, on %s, until Ctrl-C', async (codec) => {
    const watcher = await join(`live-${codec}`, '--codec', codec);
    const encoded = await server.metric('volley_frames_encoded_total', `codec="${codec}"`);
    await server.post(`live-${codec}`, [{ text: 'by nobody' }, { text: 'by a user', user: 'u1' }]);
    await server.post(`live-${codec}`, { text: '弹幕 by a name', user: 'u1', name: '小明' });
    const lines = await printed(watcher, 'by a name');
    expect(lines).toEqual(['by nobody', 'u1: by a user', '小明: 弹幕 by a name']);
    expect(await server.metric('volley_frames_encoded_total', `codec="${codec}"`)).toBeGreaterThan(encoded);
    watcher.child.kill('SIGINT');
    expect(await outcome(watcher)).toEqual({ code: 0, stderr: `-- live-${codec}: 1 watching, seq 0\n` });
  });

  it('begins after --since, before --history, or where the URL says', async () => {
    await post('begin', 'one', 'two', 'three');
    const watchers = await Promise.all([
      join('begin', '--since', '0', '--history', '1', '--codec', 'msgpack'),
      join('begin?history=2'),
    ]);
    await post('begin', 'four');
    const heard = await Promise.all(watchers.map((watcher) => printed(watcher, 'four')));
    const all = ['one', 'two', 'three', 'four'];
    expect(heard).toEqual([all, all.slice(1)]);
    for (const { stderr } of watchers) expect(stderr).not.toContain('no longer kept');
  });

  it('prints exactly as many comments of the past as --history says, also where a batch has more, and tells of recalls', async () => {
    const texts = ['one', 'two', 'three', 'four'];
    await server.post(
      'exactly',
      texts.slice(0, 3).map((text) => ({ text })),
      '?wait=stored',
    );
    const watcher = await join('exactly', '--history', '2');
    await post('exactly', 'four');
    expect(await printed(watcher, 'four')).toEqual(texts.slice(1));
    await fetch(`${server.apiUrl}/rooms/exactly/comments/1.1`, { method: 'DELETE' });
    await noted(watcher, '-- taken back: 1.1 "two"\n');
  });

  it('notes what is no longer kept, and a room that began anew', async () => {
    await post('notes', 'one', 'two', 'three', 'four', 'five', 'six');
    const [late, ahead] = await Promise.all([join('notes', '--since', '1'), join('notes', '--since', '100')]);
    expect(await printed(late, 'six')).toEqual(['three', 'four', 'five', 'six']);
    await noted(late, '-- seq 2 to 2 are no longer kept\n');
    expect(await printed(ahead, 'six')).toEqual(['three', 'four', 'five', 'six']);
    await noted(ahead, '-- the room has begun anew\n');
  });

  it('notes that it read too slowly, and fetches what is still kept', async () => {
    const watcher = await join('slow');
    watcher.child.kill('SIGSTOP');
    const large = Array.from({ length: 1_000 }, () => ({ text: '弹'.repeat(200) }));
    while ((await server.metric('volley_drops_total', 'reason="backpressure"')) === 0) {
      expect((await server.post('slow', large, '?wait=stored')).status).toBe(201);
    }
    watcher.child.kill('SIGCONT');
    await noted(watcher, '-- reading too slowly: the server skipped pushes, which are fetched now\n');
    await post('slow', 'the next');
    await printed(watcher, 'the next');
    await noted(watcher, /-- seq \d+ to \d+ are no longer kept\n/);
  });

  it('ends with 0, quietly, when nobody reads what it prints any more', async () => {
    const url = `${server.viewerUrl}/rooms/head`;
    const script = '{ "$0" "$1" watch "$2"; echo "code $?" >&2; } | head -1';
    const shell = spawn('sh', ['-c', script, process.execPath, compiledFile('src/main.js'), url], { stdio: 'pipe' });
    let stdout = '';
    let stderr = '';
    shell.stdout.on('data', (part: Buffer) => {
      stdout += part.toString();
    });
    shell.stderr.on('data', (part: Buffer) => {
      stderr += part.toString();
    });
    const ended = new Promise<void>((resolve) => shell.once('close', () => resolve()));
    await vi.waitFor(() => expect(stderr).toContain('watching'), { timeout: 15_000 });
    let over = false;
    ended.then(() => {
      over = true;
    });
    for (let i = 0; !over; i += 1) await post('head', `line ${i}`);
    expect(stdout.slice(9)).toBe('line 0\n');
    expect(stderr).toBe('-- head: 1 watching, seq 0\ncode 0\n');
  });
});

describe('volley watch ends with', () => {
  it.concurrent('1 and the server’s code when the handshake is refused', async () => {
    const ended = await outcome(watch(`${server.viewerUrl}/elsewhere/rooms/a`));
    const stderr = expect.stringMatching(/^volley: the server answered 404: [^\n]*"NOT_FOUND"[^\n]*\n$/);
    expect(ended).toEqual({ code: 1, stderr });
  });

  it.concurrent('1 on the API’s port, and says which one it wants', async () => {
    const api = new URL(server.apiUrl).host;
    const ended = await outcome(watch(`ws://${api}/rooms/a`));
    const sentence = `${api} is the API's port; viewers connect to ${server.viewerUrl}/rooms/a`;
    expect(ended).toEqual({ code: 1, stderr: `volley: ${sentence}\n` });
  });

  it.concurrent('1 when nobody listens', async () => {
    const gone = createServer().listen(0, '127.0.0.1');
    await once(gone, 'listening');
    const { port } = gone.address() as AddressInfo;
    await new Promise((resolve) => gone.close(resolve));
    const ended = await outcome(watch(`ws://127.0.0.1:${port}/rooms/a`));
    expect(ended).toEqual({ code: 1, stderr: expect.stringMatching(/^volley: cannot watch ws:[^\n]+\n$/) });
  });
});

describe('volley watch, when the server stops', () => {
  it('says so, and goes on with the next one where it was', async () => {
    const dir = mkdtempSync(path.join(tmpdir(), 'volley-watch-'));
    try {
      const first = await ServerHere.start(['--workers', '1', '--store', `level:${dir}`]);
      const watcher = watch(`${first.viewerUrl}/rooms/a`);
      await noted(watcher, '-- a: 1 watching, seq 0\n');
      await first.post('a', { text: 'before' }, '?wait=stored');
      await printed(watcher, 'before');
      await first.stop();
      await noted(watcher, '-- closed by the server: 1012 restarting; connecting again\n');
      const second = await ServerHere.start([
        '--workers',
        '1',
        '--store',
        `level:${dir}`,
        '--port',
        new URL(first.viewerUrl).port,
      ]);
      await second.post('a', { text: 'while it was away' }, '?wait=stored');
      expect(await printed(watcher, 'while it was away')).toEqual(['before', 'while it was away']);
      watcher.child.kill('SIGINT');
      expect((await outcome(watcher)).code).toBe(0);
      await second.stop();
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  });
});
