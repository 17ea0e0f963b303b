import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../src/clock.ts';
import { checkComment } from '../src/comment-check.ts';
import { ServerHere } from '../src/server-here.fixture.ts';
import { parseRecording, type RecordedComment } from './bilibili-xml.ts';
import { replayCommand } from './replay-command.ts';

const folder = mkdtempSync(join(tmpdir(), 'replay-export-'));
let server: ServerHere;

beforeAll(async () => {
  server = await ServerHere.start(['--interval', '20', '--workers', '1']);
});

afterAll(async () => {
  await server.stop();
  rmSync(folder, { recursive: true });
});

/** Replays a file, as fast as the server takes it, into a room and waits until all that was accepted is stored. */
async function replay(file: string, room: string): Promise<void> {
  const out = new PassThrough({ encoding: 'utf8' });
  const err = new PassThrough({ encoding: 'utf8' });
  const argv = [file, '--room', room, '--url', server.apiUrl, '--speed', '1000000', '--no-progress'];
  const signal = new AbortController().signal;
  const code = await replayCommand(argv, { clock: systemClock, stdout: out, stderr: err, cwd: folder, signal });
  expect({ code, err: err.read() as unknown }).toEqual({ code: 0, err: null });
  const end = Date.now() + 15_000;
  for (let isPending = true; isPending; ) {
    const { pending } = (await (await fetch(`${server.apiUrl}/rooms/${room}`)).json()) as { pending: number };
    isPending = pending > 0;
    if (Date.now() > end) throw new Error(`${pending} comments still pending`);
  }
}

/** The room as a recording, which is also written to a file. */
async function exportRoom(room: string): Promise<{ file: string; comments: RecordedComment[] }> {
  const xml = await (await fetch(`${server.apiUrl}/rooms/${room}/comments?format=xml`)).text();
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
    expect((await server.post('posted', posted, '?wait=stored')).status).toBe(201);
    const first = await exportRoom('posted');
    expect(first.comments).toEqual(posted);
    await replay(first.file, 'posted-again');
    expect((await exportRoom('posted-again')).comments).toEqual(posted);
  });
});
