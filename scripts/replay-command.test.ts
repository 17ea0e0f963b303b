import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../src/clock.ts';
import { checkComment } from '../src/comment-check.ts';
import { ServerHere } from '../src/testing/server-here.ts';
import { parseRecording, type RecordedComment } from './bilibili-xml.ts';
import { readOptions, replayCommand } from './replay-command.ts';

const SAMPLE = `<i>
  <d p="0.2,1,25,16777215,0,0,u1,1">007</d>
  <d p="0.1,5,300,0,0,0,u2,2">large</d>
  <d p="0.3,7,25,0,0,0,u3,3">[1,2]</d>
  <d>nothing known</d>
  <gift ts="0.4" user="u4" giftname="rose"/>
  <d p="0.2,1,25,0,0,0,u5,5">again</d>`;

const cwd = mkdtempSync(join(tmpdir(), 'replay-'));
let server: Server | undefined;

/** Starts a stand-in for volley's API and gives back its address. */
async function listen(answer: RequestListener): Promise<string> {
  const started = createServer(answer);
  server = started;
  await new Promise<void>((resolve) => started.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(started.address() as AddressInfo).port}`;
}

/** Takes everything but what is said again, and hands each request to `seen`. */
function takeAll(seen: (path: string, comments: { text: string; size: number }[]) => void): RequestListener {
  return (request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const comments = JSON.parse(Buffer.concat(chunks).toString()) as { text: string; size: number }[];
      seen(`${request.method} ${request.url} ${request.headers['content-type']}`, comments);
      const refused = comments.flatMap(({ text }, index) =>
        text === 'again' ? [{ index, code: 'TEXT_INVALID' }] : [],
      );
      const isNoneTaken = refused.length === comments.length;
      response.writeHead(isNoneTaken ? 400 : 202, { 'content-type': 'application/json' });
      response.end(JSON.stringify(isNoneTaken ? { code: 'TEXT_INVALID', refused } : { accepted: 1, refused }));
    });
  };
}

async function run(argv: readonly string[], signal = new AbortController().signal, isTTY = false) {
  const out = new PassThrough({ encoding: 'utf8' });
  const err = Object.assign(new PassThrough({ encoding: 'utf8' }), { isTTY, columns: 120 });
  const code = await replayCommand(argv, { clock: systemClock, stdout: out, stderr: err, cwd, signal });
  return { code, out: String(out.read() ?? ''), err: String(err.read() ?? '') };
}

function fileOf(name: string, content: string | Uint8Array): string {
  writeFileSync(join(cwd, name), content);
  return name;
}

afterEach(() => {
  server?.closeAllConnections();
  server?.close();
  server = undefined;
});

afterAll(() => rmSync(cwd, { recursive: true }));

describe('npm run replay', () => {
  it('posts the recording to the room and says what was left out', async () => {
    const seen: [string, string[]][] = [];
    const url = await listen(takeAll((path, comments) => seen.push([path, comments.map(({ text }) => text)])));
    const file = fileOf('sample.xml', SAMPLE);
    const { code, out, err } = await run([file, '--room', 'demo', '--url', url, '--times', '2']);
    const path = 'POST /rooms/demo/comments application/json';
    expect(seen.map(([to]) => to)).toEqual(seen.map(() => path));
    const round = ['large', '007', 'again'];
    expect(seen.flatMap(([, texts]) => texts)).toEqual([...round, ...round]);
    expect(out.replace(/\d+\.\d s$/m, 'TIME')).toBe(
      [
        'the file has no end (</i>): comments may be missing',
        'left out of the file: mode 7 (1), malformed (1)',
        'changed: size (1)',
        'not comments: gift (1)',
        '  line 3: size 300 became 255',
        '  line 4: <d> left out: mode 7',
        '  line 5: <d> left out: malformed',
        'sent 6 of 6 comments to room demo, accepted 4, in TIME',
        'left out 6: mode 7 (2), malformed (2), TEXT_INVALID (2)',
        '  line 7: refused: TEXT_INVALID',
        '',
      ].join('\n'),
    );
    expect({ code, err }).toEqual({ code: 0, err: '' });
  });

  it('draws its progress where stderr is a terminal, unless it is told not to', async () => {
    const url = await listen(takeAll(() => undefined));
    const argv = [fileOf('sample.xml', SAMPLE), '--room', 'demo', '--url', url, '--times', '2'];
    const drawn = await run(argv, undefined, true);
    expect(drawn.err).toContain('100% | 6/6 comments, 4 accepted');
    expect(drawn.code).toBe(0);
    expect((await run([...argv, '--no-progress'], undefined, true)).err).toBe('');
  });

  it('says what it did so far when it is ended early, with exit code 130', async () => {
    const stop = new AbortController();
    const url = await listen(takeAll(() => stop.abort()));
    const file = fileOf('long.xml', '<i><d p="0,1,25,0,0,0,u,1">a</d><d p="9999,1,25,0,0,0,u,2">b</d></i>');
    const { code, out } = await run([file, '--room', 'demo', '--url', url], stop.signal);
    expect(out).toMatch(/^sent 1 of 2 comments to room demo, accepted 1, in /);
    expect(out).toContain('\nleft out 0\n');
    expect(code).toBe(130);
  });

  it('ends with exit code 1 when nobody listens', async () => {
    const url = await listen(() => {});
    await new Promise((resolve) => server?.close(resolve));
    const { code, out, err } = await run([
      fileOf('sample.xml', '<i><d p="0,1,25,0,0,0,u,1">x</d></i>'),
      '--room',
      'demo',
      '--url',
      url,
    ]);
    expect(err).toMatch(/^replay: cannot reach --url http:\/\/127\.0\.0\.1:\d+ \(connect ECONNREFUSED [^\n]*\)\n$/);
    expect({ code, out }).toEqual({ code: 1, out: '' });
  });

  it('ends with exit code 1 on the viewers’ port, and says which one it wants', async () => {
    const url = await listen((_request, response) => {
      response.writeHead(426, { upgrade: 'websocket' }).end();
    });
    const { code, out, err } = await run([fileOf('sample.xml', SAMPLE), '--room', 'r', '--url', url, '--speed', '100']);
    expect({ code, out }).toMatchObject({ code: 1, out: expect.not.stringContaining('sent ') });
    expect(err).toBe(
      `replay: --url ${url} is the viewers' port: comments go to the API's, apiUrl in the server's line "ready" (http://127.0.0.1:9001 by default)\n`,
    );
  });

  it('ends with exit code 1 when the server stops', async () => {
    const url = await listen((_, response) => response.writeHead(503).end('{"code":"SHUTTING_DOWN"}'));
    const { code, err } = await run([fileOf('sample.xml', SAMPLE), '--room', 'demo', '--url', url]);
    expect({ code, err }).toEqual({ code: 1, err: 'replay: the server answered 503 SHUTTING_DOWN\n' });
  });

  it.each([
    ['a file that is not there', 'none.xml', /^replay: FILE "none\.xml": it cannot be read \(ENOENT: [^\n]*\)\n$/],
    ['a folder', '.', /^replay: FILE "\.": it cannot be read \(EISDIR: [^\n]*\)\n$/],
    ['other XML', fileOf('a.svg', '<svg/>'), /^replay: FILE "a\.svg": it has neither a root element <i>[^\n]*\n$/],
    ['bytes', fileOf('a.png', Uint8Array.of(0x89, 0x50)), /^replay: FILE "a\.png": it has neither [^\n]*\n$/],
  ])('refuses %s with exit code 2', async (_, file, sentence) => {
    const { code, out, err } = await run([file, '--room', 'demo']);
    expect(err).toMatch(sentence);
    expect({ code, out }).toEqual({ code: 2, out: '' });
  });

  it('refuses a bad option with exit code 2, before it reads the file', async () => {
    const { code, err } = await run(['none.xml', '--room', 'demo', '--speed', '-1']);
    expect({ code, err }).toEqual({ code: 2, err: 'replay: --speed "-1" must be a number above 0\n' });
  });

  it('helps with exit code 0', async () => {
    const { code, out } = await run(['--help']);
    expect(out).toContain('Usage: npm run replay -- [options] <FILE>');
    expect(code).toBe(0);
  });
});

describe('the options of replay', () => {
  it('have defaults for all but the file and the room', () => {
    expect(readOptions(['live.xml', '--room', 'demo'])).toEqual({
      file: 'live.xml',
      room: 'demo',
      speed: 1,
      url: 'http://127.0.0.1:9001',
      times: 1,
      progress: true,
    });
  });

  it('can all be set', () => {
    const argv = 'a.xml --room a:b --speed 0.5 --url https://volley.example/api/ --times 20 --no-progress'.split(' ');
    expect(readOptions(argv)).toEqual({
      file: 'a.xml',
      room: 'a:b',
      speed: 0.5,
      url: 'https://volley.example/api',
      times: 20,
      progress: false,
    });
  });

  it.each([
    ['--speed 0', '--speed "0" must be a number above 0'],
    ['--speed fast', '--speed "fast" must be a number above 0'],
    ['--speed Infinity', '--speed "Infinity" must be a number above 0'],
    ['--speed=', '--speed "" must be a number above 0'],
    ['--times 0', '--times "0" must be a whole number, 1 or more'],
    ['--times 1.5', '--times "1.5" must be a whole number, 1 or more'],
    ['--room a/b', '--room "a/b" must be 1 to 64 characters of A-Z, a-z, 0-9 and . _ : -'],
    [
      '--url localhost:9001',
      '--url "localhost:9001" must be an http:// or https:// address without user, query and hash',
    ],
    ['--url http://a:b@h', '--url "http://a:b@h" must be an http:// or https:// address without user, query and hash'],
    ['--sped 2', `unknown option '--sped'; see npm run replay -- --help`],
    ['other.xml', `only one FILE can be replayed; see npm run replay -- --help`],
  ])('name what is wrong with %s', (wrong, fault) => {
    expect(readOptions(['live.xml', '--room', 'demo', ...wrong.split(' ')])).toEqual({ fault });
  });

  it('miss the file and the room', () => {
    expect(readOptions(['--room', 'demo'])).toEqual({
      fault: `missing required argument 'FILE'; see npm run replay -- --help`,
    });
    expect(readOptions(['a.xml'])).toEqual({
      fault: `required option '--room <R>' not specified; see npm run replay -- --help`,
    });
  });

  it('are listed by --help', () => {
    const read = readOptions(['--help']);
    const help = 'help' in read ? read.help : '';
    expect(help.match(/--[a-z-]+(?= )/g)).toEqual(expect.arrayContaining(['--room', '--speed', '--url', '--times']));
  });
});

const folder = mkdtempSync(join(tmpdir(), 'replay-export-'));
let volley: ServerHere;

beforeAll(async () => {
  volley = await ServerHere.start(['--interval', '20', '--workers', '1']);
});

afterAll(async () => {
  await volley.stop();
  rmSync(folder, { recursive: true });
});

/** Replays a file, as fast as the volley takes it, into a room and waits until all that was accepted is stored. */
async function replay(file: string, room: string): Promise<void> {
  const out = new PassThrough({ encoding: 'utf8' });
  const err = new PassThrough({ encoding: 'utf8' });
  const argv = [file, '--room', room, '--url', volley.apiUrl, '--speed', '1000000', '--no-progress'];
  const signal = new AbortController().signal;
  const code = await replayCommand(argv, { clock: systemClock, stdout: out, stderr: err, cwd: folder, signal });
  expect({ code, err: err.read() as unknown }).toEqual({ code: 0, err: null });
  const end = Date.now() + 15_000;
  for (let isPending = true; isPending; ) {
    const { pending } = (await (await fetch(`${volley.apiUrl}/rooms/${room}`)).json()) as { pending: number };
    isPending = pending > 0;
    if (Date.now() > end) throw new Error(`${pending} comments still pending`);
  }
}

/** The room as a recording, which is also written to a file. */
async function exportRoom(room: string): Promise<{ file: string; comments: RecordedComment[] }> {
  const xml = await (await fetch(`${volley.apiUrl}/rooms/${room}/comments?format=xml`)).text();
  const file = join(folder, `${room}.xml`);
  writeFileSync(file, xml);
  const { moments, leftOut } = parseRecording(xml);
  expect(leftOut.size).toBe(0);
  return { file, comments: moments.map(({ comment }) => comment) };
}

describe('a room that is exported and replayed', () => {
  const recordings = [
    '../bench/comments.xml',
    '../../shared/data/live-comment.xml',
    '../../shared/data/live-mikunoshoushitsu.xml',
  ].map((path) => ({ path: fileURLToPath(new URL(path, import.meta.url)), room: path.replace(/.*\/(.*)\.xml/, '$1') }));

  for (const { path, room } of recordings) {
    const isMissing = !existsSync(path);
    it.skipIf(isMissing)(`has the comments of ${room}${isMissing ? ' (skipped: no ../shared/data)' : ''}`, async () => {
      const recorded = parseRecording(readFileSync(path, 'utf8')).moments.map(({ comment }) => comment);
      await replay(path, room);
      const first = await exportRoom(room);
      expect(first.comments).toEqual(
        recorded.filter((comment) => typeof checkComment(comment, 200, 'full') !== 'string'),
      );
      expect(first.comments.length).toBeGreaterThan(1_000);
      await replay(first.file, `${room}-again`);
      const second = await exportRoom(`${room}-again`);
      expect(second.comments).toEqual(first.comments);
    });
  }

  it('has the names, users and extras that were posted', async () => {
    const posted = [
      {
        text: '<b>&amp;</b>',
        mode: 'top',
        color: 255,
        size: 40,
        user: '50%,1%2C',
        name: '"神" & <co>',
        extra: '{"n":[1,2]}\n%',
      },
      { text: '  {\\an8} ]]> ', mode: 'bottom', color: 0, size: 1, user: '', extra: 'é' },
      { text: '\u00a0x\u200d😀', mode: 'scroll', color: 0xffffff, size: 255, user: 'u' },
    ];
    expect((await volley.post('posted', posted, '?wait=stored')).status).toBe(201);
    const first = await exportRoom('posted');
    expect(first.comments).toEqual(posted);
    await replay(first.file, 'posted-again');
    expect((await exportRoom('posted-again')).comments).toEqual(posted);
  });
});
