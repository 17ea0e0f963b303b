/** A server that sends anything at all, and a connection of the SDK that has to live with it. */
import { deflateRawSync } from 'node:zlib';
import fc from 'fast-check';
import { Packr } from 'msgpackr';
import { VolleyError } from '../codes.ts';
import { encodeBatch } from '../frames/batch.ts';
import { CODECS, type CodecName } from '../frames/codec.ts';
import { encodeMsgpackFrame } from '../frames/codecs.ts';
import { FakeClock } from '../testing/clock.ts';
import { VolleyClientError } from './client-error.ts';
import { FakeSocket } from './fake-socket.fixture.ts';
import { decodeFrame } from './frame-decoder.ts';
import { closeAll, only, open } from './room-connection.fixture.ts';
import { checkMessage } from './server-message.ts';

type Input =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array; readonly deflated: boolean }
  | { readonly kind: 'end'; readonly code: number }
  | { readonly kind: 'wait'; readonly ms: number };

/** What a server says on one link after the other, whichever is open. */
export interface Hostility {
  readonly codec: CodecName;
  readonly history: number;
  /** Whether each link begins with a welcome, as it must; then more of what follows is taken. */
  readonly welcomes: boolean;
  readonly inputs: readonly Input[];
}

const packr = new Packr({ useRecords: false });

const odd: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom(undefined, null, true, '', '1.0', 'NaN', '__proto__', -1, 0, 0.5, 1, 2, 2 ** 53, -0, 1e308),
  fc.constantFrom([], {}, [[]], [null], ['a'], [1, 'a']),
  fc.maxSafeNat(),
  fc.string({ maxLength: 8 }),
  fc.uint8Array({ maxLength: 8 }),
);

/** Mostly what belongs there. */
function nearly(good: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  return fc.oneof({ weight: 39, arbitrary: good }, { weight: 1, arbitrary: odd });
}

const seq = fc.nat(4);
const prev = fc.oneof(fc.constant(0), seq);
const ids = fc.array(nearly(fc.constantFrom('1.0', '2.0', '2.1', '9.9', 'x', '')), { maxLength: 4 });

const comment = fc.record(
  {
    id: nearly(fc.constantFrom('1.0', '2.0', '3.1', '9.0')),
    user: nearly(fc.constant('')),
    name: nearly(fc.constant('')),
    text: nearly(fc.string()),
    mode: nearly(fc.constantFrom('scroll', 'top', 'bottom')),
    color: nearly(fc.nat(0xffffff)),
    size: nearly(fc.nat(255)),
    at: nearly(fc.nat(1_000)),
    extra: nearly(fc.constant(undefined)),
  },
  { noNullPrototype: true },
);

/** The members of a message, each of them now and then something else. */
function messageOf(members: Readonly<Record<string, fc.Arbitrary<unknown>>>): fc.Arbitrary<unknown> {
  return fc.record(Object.fromEntries(Object.entries(members).map(([name, good]) => [name, nearly(good)])));
}

const comments = fc.array(nearly(comment), { maxLength: 3 });
const ref = fc.constantFrom('1', undefined);
const text = fc.string();

const message = fc.oneof(
  {
    weight: 8,
    arbitrary: messageOf({ type: fc.constant('batch'), seq, prev, at: seq, viewers: seq, comments }),
  },
  messageOf({
    type: fc.constant('welcome'),
    seq,
    viewers: seq,
    interval: seq,
    reset: fc.constantFrom(undefined, true),
  }),
  messageOf({ type: fc.constant('welcome'), seq, viewers: seq, interval: seq, gap: fc.record({ from: seq, to: seq }) }),
  messageOf({ type: fc.constant('presence'), seq, viewers: seq }),
  messageOf({ type: fc.constant('recall'), ids }),
  messageOf({ type: fc.constant('skipped') }),
  messageOf({ type: fc.constant('ack'), ref, id: fc.constant('1.0'), seq }),
  messageOf({ type: fc.constant('refused'), ref, code: text, message: text }),
);

const columns = fc.tuple(
  ...[
    fc.constant(1),
    fc.maxSafeNat(),
    fc.constant(null),
    fc.constant(null),
    fc.array(nearly(fc.constantFrom('a', '')), { maxLength: 4 }),
    ...new Array(3).fill(fc.oneof(fc.constant(null), fc.uint8Array({ maxLength: 12 }))),
    fc.oneof(fc.constant(null), fc.uint8Array({ maxLength: 8 }), fc.array(odd, { maxLength: 4 })),
    fc.constant(null),
  ].map(nearly),
);

const frame = fc
  .tuple(nearly(fc.constant(1)), nearly(seq), fc.array(nearly(fc.tuple(nearly(seq), nearly(prev), nearly(columns)))))
  .map(([version, viewers, parts]) => Uint8Array.from(packr.pack([version, viewers, ...parts])));

const draft = { text: '弹幕', mode: 1, color: 255, size: 30, user: 'u', name: '', extra: 'x', at: 1_000 };
const good = encodeMsgpackFrame([{ seq: 1, prev: 0, bytes: encodeBatch([draft, draft]).bytes }], 1);

/** A frame of ours with a few bytes changed, or cut. */
const changed = fc
  .tuple(fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { maxLength: 4 }), fc.nat(good.length))
  .map(([changes, length]) => {
    const bytes = Uint8Array.from(good);
    for (const [at, byte] of changes) bytes[at] = byte;
    return bytes.subarray(0, length < 8 ? length : undefined);
  });

/** Heads of arrays, maps, texts and bins that promise anything. */
const promises = fc
  .array(
    fc.tuple(
      fc.constantFrom(0x91, 0x81, 0xdc, 0xdd, 0xde, 0xdf, 0xda, 0xdb, 0xc5, 0xc6, 0xc9),
      fc.uint8Array({ maxLength: 4 }),
    ),
    { maxLength: 200 },
  )
  .map((heads) => Uint8Array.from(heads.flatMap(([head, length]) => [head, ...length])));

export const bytes = fc.oneof(frame, changed, promises, fc.uint8Array({ maxLength: 200 }));

const input: fc.Arbitrary<Input> = fc.oneof(
  { weight: 4, arbitrary: message.map((said) => ({ kind: 'text' as const, text: JSON.stringify(said) })) },
  { weight: 1, arbitrary: fc.oneof(fc.string(), fc.json()).map((text) => ({ kind: 'text' as const, text })) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('bytes' as const), bytes, deflated: fc.boolean() }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('end' as const), code: fc.constantFrom(1000, 1006, 1008, 1012, 4008) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.nat(10_000) }) },
);

/** Inputs in the longest of what {@link hostility} gives; it has half of that as a rule. */
export const MOST_INPUTS = 12;

export const hostility: fc.Arbitrary<Hostility> = fc.record({
  codec: fc.constantFrom(...CODECS),
  history: fc.constantFrom(0, 2),
  welcomes: fc.boolean(),
  inputs: fc.array(input, { minLength: 1, maxLength: MOST_INPUTS, size: 'max' }),
});

/** What is wrong with how bytes are decoded; undefined where nothing is. */
export function decode(given: Uint8Array): string | undefined {
  try {
    checkMessage(decodeFrame(Uint8Array.from(given).buffer));
  } catch (error) {
    if (!(error instanceof VolleyClientError || error instanceof VolleyError)) return `${error}`;
  }
  return undefined;
}

/** What is wrong after a hostile server was met; undefined where nothing is. */
export async function meet({ codec, history, welcomes, inputs }: Hostility): Promise<string | undefined> {
  const clock = new FakeClock();
  const { room, told } = open({ clock, codec, history });
  try {
    for (const one of inputs) {
      const { closedWith, readyState } = FakeSocket.last;
      if (closedWith !== undefined) await clock.advance(31_000);
      if (welcomes && readyState !== 1) FakeSocket.last.welcome(4, { reset: true });
      if (one.kind === 'wait') await clock.advance(one.ms);
      else if (one.kind === 'end') FakeSocket.last.end(one.code);
      else if (one.kind === 'text') FakeSocket.last.say(one.text);
      else FakeSocket.last.say(Uint8Array.from(one.deflated ? deflateRawSync(one.bytes) : one.bytes).buffer);
    }
    return findWrong(told) ?? (await comesBack(room, clock));
  } finally {
    closeAll();
  }
}

/** What an application is given is what the types say. */
function findWrong(told: ReturnType<typeof open>['told']): string | undefined {
  for (const { id, user, name, text, mode, color, size, time } of only(told, 'comment')) {
    const strings = [id, user, name, text, mode].every((one) => typeof one === 'string');
    if (!strings || ![color, size, time].every(Number.isFinite)) return 'a comment of another type';
  }
  for (const { code } of only(told, 'fault')) if (typeof code !== 'string') return 'a fault without a code';
  return undefined;
}

/** Then there is a good server, and it is heard. */
async function comesBack(room: ReturnType<typeof open>['room'], clock: FakeClock): Promise<string | undefined> {
  const hostile = FakeSocket.last;
  hostile.end(1006);
  // Whatever waits to be inflated comes before the end of its link.
  await until(() => hostile.onclose === null);
  await clock.advance(31_000);
  let heard = '';
  room.on('comment', ({ text }) => {
    heard = text;
  });
  FakeSocket.last.welcome(0, { reset: true });
  FakeSocket.last.say(
    room.codec === 'json' ? goodText() : Uint8Array.from(room.codec === 'deflate' ? deflateRawSync(good) : good).buffer,
  );
  await until(() => heard !== '');
  return heard === draft.text
    ? undefined
    : `a good server is not heard: ${room.state}, ${FakeSocket.made.length} links`;
}

/** Waits for what takes turns of the loop, and not for ever. */
async function until(done: () => boolean): Promise<void> {
  for (let turns = 0; !done() && turns < 100_000; turns += 1) await new Promise((next) => setImmediate(next));
}

function goodText(): string {
  const comment = { id: '1.0', user: '', name: '', text: draft.text, mode: 'top', color: 255, size: 30, at: 0 };
  return JSON.stringify({ type: 'batch', seq: 1, prev: 0, at: 1_000, viewers: 1, comments: [comment] });
}
