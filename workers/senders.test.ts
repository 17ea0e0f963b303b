import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { REFUSALS, type RefusalCode } from '../src/codes.ts';
import { CODECS } from '../src/frames/codec.ts';
import { frame, OPCODE, RawClient } from '../src/testing/raw-client.ts';
import { ServerHere } from '../src/testing/server-here.ts';
import { type ServerMessage, ViewerClient } from '../src/testing/viewer-client.ts';

const MAX_MESSAGE = 2_048;

async function join(server: ServerHere, room: string): Promise<ViewerClient> {
  const viewer = new ViewerClient(server.viewerUrl, room);
  await viewer.welcome();
  return viewer;
}

function isAnswer({ type }: ServerMessage): boolean {
  return type === 'ack' || type === 'refused';
}

/** Sends `message` and gives its answer. One at a time: the next answer is taken for this message's. */
async function answerTo(viewer: ViewerClient, message: unknown): Promise<ServerMessage> {
  const heard = viewer.messages.filter(isAnswer).length;
  viewer.send(message);
  await viewer.until(() => viewer.messages.filter(isAnswer).length > heard);
  return viewer.messages.filter(isAnswer)[heard] as ServerMessage;
}

/** The answers to comments that were sent with a `ref` each, checked to be one a comment. */
function answersByRef(viewer: ViewerClient): Map<string, ServerMessage> {
  const answers = viewer.messages.filter(isAnswer);
  const byRef = new Map(answers.map((answer) => [String(answer.ref), answer]));
  expect(byRef.size).toBe(answers.length);
  return byRef;
}

describe('a message that is refused', () => {
  let server: ServerHere;
  let viewer: ViewerClient;

  beforeAll(async () => {
    server = await ServerHere.start(['--interval', '50', '--workers', '1', '--max-message', String(MAX_MESSAGE)]);
    viewer = await join(server, 'refusals');
  });

  afterAll(async () => {
    await server.stop();
  });

  /** What is refused, and whether its ref is told back. */
  const comment = { type: 'comment', ref: 'r', text: 'hello' };
  const texts = [
    '',
    ' ',
    '\u3000\u00a0',
    'a\u0000',
    'a\nb',
    '\u001f',
    '\u007f',
    '\u009f',
    '\ud83d',
    '\udc4da',
    'x'.repeat(201),
    '\u200b\u3164',
  ];
  const cases: [code: RefusalCode, ref: string | undefined, messages: unknown[]][] = [
    ['NOT_JSON', undefined, ['hello', '', ' ', '{"type":"comment"', 'NaN', "{'a':1}", '\ufeff{}', '{}{}', '\u0000']],
    ['NOT_AN_OBJECT', undefined, ['null', '[]', '7', 'true', '"text"', JSON.stringify([comment])]],
    [
      'UNKNOWN_TYPE',
      'r',
      [{ ref: 'r' }, { ...comment, type: 'batch' }, { ...comment, type: 7 }, { ...comment, type: ['comment'] }],
    ],
    ['UNKNOWN_TYPE', undefined, [{}, { type: 'Comment' }]],
    ['REF_INVALID', undefined, [1, 0, null, true, {}, ['r'], '', 'x'.repeat(65)].map((ref) => ({ ...comment, ref }))],
    ['TEXT_INVALID', 'r', [...texts, undefined, null, 7, ['hello'], {}].map((text) => ({ ...comment, text }))],
    ['MODE_INVALID', 'r', ['left', 'Scroll', '', 1, null, {}].map((mode) => ({ ...comment, mode }))],
    ['COLOR_INVALID', 'r', [-1, 16_777_216, 1.5, '255', null, [1]].map((color) => ({ ...comment, color }))],
    ['SIZE_INVALID', 'r', [0, 256, 25.5, '25', null, 1e300].map((size) => ({ ...comment, size }))],
    ['NAME_INVALID', 'r', ['x'.repeat(33), 'a\nb', '\ud83d', 7, null, {}].map((name) => ({ ...comment, name }))],
    [
      'EXTRA_INVALID',
      'r',
      ['x'.repeat(513), '弹'.repeat(171), '\ud800', 7, null, {}].map((extra) => ({ ...comment, extra })),
    ],
    [
      'BINARY_MESSAGE',
      undefined,
      [Buffer.from(JSON.stringify(comment)), Buffer.alloc(0), Buffer.alloc(MAX_MESSAGE + 1)],
    ],
    [
      'TOO_LARGE',
      undefined,
      ['x'.repeat(MAX_MESSAGE + 1), { ...comment, pad: 'x'.repeat(MAX_MESSAGE) }, 'x'.repeat(65_536)],
    ],
  ];

  it.each(cases)(
    '%s, ref %s, is counted and pushed to nobody, and the socket stays open',
    async (code, ref, messages) => {
      const counted = await server.metric('volley_refused_total', `code="${code}"`);
      const accepted = await server.metric('volley_comments_total');
      for (const sent of messages) {
        const answer = await answerTo(viewer, sent);
        const message = code === 'TEXT_INVALID' ? expect.stringMatching(/^text /) : REFUSALS[code].message;
        const told = { type: 'refused', code, message };
        expect(answer, JSON.stringify(sent)).toEqual(ref === undefined ? told : { ...told, ref });
      }
      expect(await server.metric('volley_refused_total', `code="${code}"`)).toBe(counted + messages.length);
      expect(await server.metric('volley_comments_total')).toBe(accepted);
      expect(await answerTo(viewer, { ...comment, ref: 'still here' })).toMatchObject({
        type: 'ack',
        ref: 'still here',
      });
      expect(viewer.faults).toEqual([]);
    },
  );

  it('is told which rule its text breaks, with the bound in force', async () => {
    const { message } = await answerTo(viewer, { ...comment, text: 'x'.repeat(201) });
    expect(message).toBe('text is too long: 201 characters, at most 200 are allowed');
  });

  it('is one over a bound: what is at the bound is taken as it is', async () => {
    const bounds = {
      text: '👍'.repeat(200),
      mode: 'bottom',
      color: 16_777_215,
      size: 255,
      name: '👍'.repeat(32),
      extra: 'x'.repeat(512),
    };
    expect(await answerTo(viewer, { type: 'comment', ref: 'y'.repeat(64), ...bounds })).toMatchObject({ type: 'ack' });
    await viewer.until(() => viewer.comments.at(-1)?.size === 255);
    expect(viewer.comments.at(-1)).toMatchObject(bounds);
    const padded = { ...comment, pad: '' };
    padded.pad = 'x'.repeat(MAX_MESSAGE - JSON.stringify(padded).length);
    expect(await answerTo(viewer, padded)).toMatchObject({ type: 'ack', ref: 'r' });
  });

  it('lets a viewer choose a name, and does not let it say who it is', async () => {
    const posing = { ...comment, text: 'posing', user: 'admin', name: 'the host', at: 5, id: '1.0' };
    const { id } = await answerTo(viewer, posing);
    await viewer.until(() => viewer.comments.at(-1)?.text === 'posing');
    expect(viewer.comments.at(-1)).toMatchObject({ id, user: '', name: 'the host', text: 'posing' });
  });

  it('over 64 KB closes the link with 1006, and so does text that is not UTF-8', async () => {
    const large = await join(server, 'refusals');
    large.send('x'.repeat(65_537));
    expect((await large.closed).code).toBe(1006);
    for (const bytes of [[0xff], [0xc3, 0x28], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xe5, 0xbc]]) {
      const raw = await new RawClient(server.viewerUrl).join('refusals');
      const before = raw.received.length;
      raw.send(frame(OPCODE.text, Buffer.from(bytes)));
      await raw.closed;
      // No close frame came: that is 1006.
      expect(raw.received.subarray(before)).toHaveLength(0);
    }
    expect(await answerTo(viewer, comment)).toMatchObject({ type: 'ack' });
  });

  it('acks a comment with the id and seq that it is pushed with, on every codec', async () => {
    for (const codec of CODECS) {
      const sender = new ViewerClient(server.viewerUrl, 'acks', { codec });
      await sender.welcome();
      const { id, seq } = await answerTo(sender, { ...comment, text: codec });
      await sender.until(() => sender.comments.length === 1);
      expect(sender.comments[0]).toMatchObject({ id, text: codec, mode: 'scroll', color: 0xffffff, size: 25 });
      expect(id).toBe(`${seq}.0`);
      expect(sender.seq).toBe(seq);
      expect(sender.faults).toEqual([]);
      await sender.close();
    }
  });

  it('needs no ref to be acked', async () => {
    const answer = await answerTo(viewer, { type: 'comment', text: 'no ref' });
    expect(Object.keys(answer).sort()).toEqual(['id', 'seq', 'type']);
  });

  it('answers every one of many comments at once, exactly once, and pushes them in the order sent', async () => {
    const count = 240;
    const senders = await Promise.all(Array.from({ length: 5 }, () => join(server, 'many')));
    for (let i = 0; i < count; i += 1) {
      for (const [place, sender] of senders.entries()) sender.send({ ...comment, ref: `${i}`, text: `${place} ${i}` });
    }
    for (const [place, sender] of senders.entries()) {
      await sender.until(
        () => sender.comments.length === 5 * count && sender.messages.filter(isAnswer).length >= count,
      );
      const answers = answersByRef(sender);
      const own = sender.comments.filter(({ text }) => text.startsWith(`${place} `));
      expect(own.map(({ text }) => text)).toEqual(Array.from({ length: count }, (_, i) => `${place} ${i}`));
      expect(own.map(({ id }) => id)).toEqual(Array.from({ length: count }, (_, i) => answers.get(`${i}`)?.id));
      expect(sender.faults).toEqual([]);
    }
  });

  it('pushes what a sender said who left at once', async () => {
    const hasty = await join(server, 'hasty');
    const witness = await join(server, 'hasty');
    for (let i = 0; i < 5; i += 1) hasty.send({ ...comment, text: `goodbye ${i}` });
    await hasty.close();
    await witness.until(() => witness.comments.length === 5);
    expect(witness.comments.map(({ text }) => text)).toEqual([0, 1, 2, 3, 4].map((i) => `goodbye ${i}`));
    await witness.close();
  });
});

/**
 * Each of `senders` viewers of one shard sends `each` comments at once, while a viewer of another room on the same shard
 * comments too. Gives all answers by ref, having checked that what was taken was pushed once and in each sender's order.
 */
async function flood(server: ServerHere, senders: number, each: number): Promise<Map<string, ServerMessage>> {
  const crowd = await Promise.all(Array.from({ length: senders }, () => join(server, 'flooded')));
  const watcher = await join(server, 'flooded');
  const other = await join(server, 'other');
  for (const [s, sender] of crowd.entries()) {
    for (let i = 0; i < each; i += 1) sender.send({ type: 'comment', ref: `${s}-${i}`, text: `${s}-${i}` });
  }
  const open = (): boolean => crowd.some((sender) => sender.messages.filter(isAnswer).length < each);
  for (let i = 0; open(); i += 1) {
    expect(await answerTo(other, { type: 'comment', text: `calm ${i}` })).toMatchObject({ type: 'ack' });
    await other.until(() => other.comments.length === i + 1);
    expect(other.comments.at(-1)?.text).toBe(`calm ${i}`);
  }
  const answers = new Map(crowd.flatMap((sender) => [...answersByRef(sender)]));
  const acked = new Map([...answers].filter(([, { type }]) => type === 'ack').map(([ref, { id }]) => [ref, id]));
  await watcher.until(() => watcher.comments.length >= acked.size);
  expect(new Map(watcher.comments.map(({ id, text }) => [text, id]))).toEqual(acked);
  expect(watcher.comments).toHaveLength(acked.size);
  for (const s of crowd.keys()) {
    const own = watcher.comments.map(({ text }) => text.split('-').map(Number)).filter(([sender]) => sender === s);
    const order = own.map(([, place = 0]) => place);
    expect(order).toEqual([...order].sort((a, b) => a - b));
  }
  for (const viewer of [...crowd, watcher, other]) {
    expect(viewer.faults).toEqual([]);
    await viewer.close();
  }
  return answers;
}

function refusedOf(answers: ReadonlyMap<string, ServerMessage>): ServerMessage[] {
  return [...answers.values()].filter(({ type }) => type === 'refused');
}

describe('a flood', () => {
  it('is refused ROOM_BUSY once the room has --max-pending waiting, and other rooms go on', async () => {
    const limits = ['--max-batch', '50', '--max-pending', '150', '--interval', '300', '--workers', '1'];
    const server = await ServerHere.start(limits);
    const refused = refusedOf(await flood(server, 10, 200));
    const { message } = REFUSALS.ROOM_BUSY;
    for (const answer of refused) expect(answer).toMatchObject({ code: 'ROOM_BUSY', message, retryAfterMs: 300 });
    // 167 a second are taken, so 2,000 sent at once cannot all have been.
    expect(refused.length).toBeGreaterThan(1_000);
    expect(await server.metric('volley_refused_total', 'code="ROOM_BUSY"')).toBe(refused.length);
    await server.stop();
  });

  it('of one sender is refused BUSY over 256 unanswered, and others on its shard are taken', async () => {
    const server = await ServerHere.start(['--interval', '1000', '--workers', '1']);
    const refused = refusedOf(await flood(server, 1, 350));
    const { message } = REFUSALS.BUSY;
    for (const answer of refused) expect(answer).toMatchObject({ code: 'BUSY', message, retryAfterMs: 1_000 });
    expect(refused.length).toBeGreaterThan(0);
    expect(refused.length).toBeLessThanOrEqual(350 - 256);
    expect(await server.metric('volley_refused_total', 'code="BUSY"')).toBe(refused.length);
    // What was answered counts no more: later there is room again.
    const viewer = await join(server, 'flooded');
    expect(await answerTo(viewer, { type: 'comment', text: 'calm again' })).toMatchObject({ type: 'ack' });
    await server.stop();
  });

  it('of the viewers of one room never has a quiet room refused, on the socket or over HTTP', async () => {
    const server = await ServerHere.start([
      '--workers',
      '1',
      '--interval',
      '250',
      '--max-pending',
      '1000',
      '--max-batch',
      '200',
    ]);
    const crowd = await Promise.all(Array.from({ length: 40 }, () => join(server, 'hot')));
    const quiet = await join(server, 'quiet');
    const codes = (): Set<unknown> => new Set(crowd.flatMap(({ messages }) => messages.map(({ code }) => code)));
    for (let round = 0; round < 15; round += 1) {
      for (const sender of crowd) {
        for (let i = 0; i < 20; i += 1) sender.send({ type: 'comment', text: 'hot' });
      }
      expect(await answerTo(quiet, { type: 'comment', text: 'calm' })).toMatchObject({ type: 'ack' });
      expect(await server.post(`quiet${round}`, { text: 'calm' })).toMatchObject({ status: 202 });
    }
    expect(codes()).toEqual(new Set([undefined, 'ROOM_BUSY']));
    await server.stop();
  });

  it('of tiny messages is cut off with 1008 and hardly read, and others on its shard notice nothing', async () => {
    const server = await ServerHere.start(['--workers', '1', '--interval', '50']);
    const calm = await join(server, 'calm');
    const block = Buffer.concat(new Array<Buffer>(60_000).fill(frame(OPCODE.text, 'x')));
    const floods = await Promise.all(
      Array.from({ length: 20 }, (_, i) => new RawClient(server.viewerUrl).join(`flood${i}`)),
    );
    for (const flood of floods) flood.send(block);
    for (let i = 0; i < 20; i += 1) {
      expect(await answerTo(calm, { type: 'comment', text: `${i}` })).toMatchObject({ type: 'ack' });
    }
    await Promise.all(floods.map(({ closed }) => closed));
    // Where many flood at once the others are cut without a code.
    const codes = floods.map(({ received }) => closeCodeOf(received));
    expect(codes.filter((code) => code === 1008)).toHaveLength(8);
    expect(codes.filter((code) => code !== 1008)).toEqual(new Array(12).fill(undefined));
    expect(await server.metric('volley_flood_closes_total')).toBe(20);
    expect(await server.metric('volley_viewer_messages_total')).toBeLessThan(20 * 200);
    expect(await server.metric('volley_refused_total', 'code="RATE_LIMITED"')).toBeGreaterThan(0);
    await calm.until(() => calm.comments.length === 20);
    expect(calm.faults).toEqual([]);
    await server.stop();
  });
});

/** The code of the close frame that ends what was received. */
function closeCodeOf(received: Buffer): number | undefined {
  const at = received.lastIndexOf('sends too much');
  return at === -1 ? undefined : received.readUInt16BE(at - 2);
}

describe('a viewer that does not wait for its welcome', () => {
  it('hears the welcome first all the same, and then what became of its message', async () => {
    const server = await ServerHere.start(['--workers', '1', '--interval', '10']);
    for (let i = 0; i < 20; i += 1) await server.post('hasty', { text: `${i}` }, '?wait=stored');
    const viewers = Array.from({ length: 50 }, (_, i) => {
      const viewer = new ViewerClient(server.viewerUrl, 'hasty', { query: `?since=${i % 20}` });
      viewer.socket.once('open', () => viewer.send({ type: 'nonsense', ref: 'early' }));
      return viewer;
    });
    for (const viewer of viewers) {
      expect(await viewer.message(({ type }) => type === 'refused')).toMatchObject({ ref: 'early' });
      expect(viewer.faults).toEqual([]);
    }
    await server.stop();
  });
});
