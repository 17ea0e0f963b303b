import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { frame } from '../../src/testing/raw-client.ts';
import { FrameParser, type FrameReader, type HandshakeAnswer, HandshakeReader, upgradeRequest } from './wire.ts';

/** Bytes of which each is another than its neighbours, so that a shifted copy is not the same. */
function payloadOf(length: number, seed = 0): Buffer {
  return Buffer.from(Array.from({ length }, (_, i) => (i * 31 + (i >> 8) + seed * 7) & 0xff));
}

function serverFrame(opcode: number, payload: Buffer): Buffer {
  return frame(opcode, payload, { masked: false });
}

/** Writes down what it is told, with a copy of the bytes. */
class Notes implements FrameReader {
  readonly frames: { first: number; payload: Buffer }[] = [];
  readonly broken: string[] = [];

  get payloads(): Buffer[] {
    return this.frames.map(({ payload }) => payload);
  }

  onFrame(first: number, bytes: Buffer, start: number, end: number): void {
    this.frames.push({ first, payload: Buffer.from(bytes.subarray(start, end)) });
  }

  onBroken(why: string): void {
    this.broken.push(why);
  }
}

/** What `toEqual` tells too, but byte by byte and a hundred times slower. */
function haveSameBytes(got: readonly Buffer[], wanted: readonly Buffer[]): boolean {
  return got.length === wanted.length && wanted.every((bytes, i) => got[i]?.equals(bytes));
}

/** Feeds the pieces of `stream` through one reused buffer, as a socket would. */
function feed(stream: Buffer, cuts: readonly number[], notes: FrameReader): void {
  const parser = new FrameParser(notes);
  const buffer = Buffer.alloc(stream.length + 3);
  let from = 0;
  for (const cut of [...cuts, stream.length]) {
    buffer.fill(0xee);
    const length = stream.copy(buffer, 0, from, cut);
    parser.parse(buffer, 0, length);
    from = cut;
  }
}

const LENGTHS = [0, 1, 125, 126, 300, 700];

describe('frames in one read', () => {
  it('are told as they are, of every length', () => {
    const payloads = [...LENGTHS, 65_535, 65_536, 200_000].map((length) => payloadOf(length));
    const notes = new Notes();
    feed(Buffer.concat(payloads.map((payload) => serverFrame(2, payload))), [], notes);
    expect(notes.frames.map(({ first }) => first)).toEqual(payloads.map(() => 0x82));
    expect(haveSameBytes(notes.payloads, payloads)).toBe(true);
  });
});

describe('a frame cut in two', () => {
  it.each(LENGTHS)('of %i bytes comes out whole wherever it is cut', (length) => {
    const payload = payloadOf(length);
    const stream = Buffer.concat([serverFrame(1, payloadOf(3)), serverFrame(2, payload), serverFrame(1, payloadOf(5))]);
    for (let cut = 0; cut <= stream.length; cut += 1) {
      const notes = new Notes();
      feed(stream, [cut], notes);
      expect(notes.frames.map((got) => got.payload.length)).toEqual([3, length, 5]);
      expect(notes.frames[1]?.first).toBe(0x82);
      expect(haveSameBytes(notes.payloads.slice(1, 2), [payload])).toBe(true);
    }
  });
});

describe('a stream cut anywhere, any number of times', () => {
  const streams = fc.record({
    lengths: fc.array(fc.oneof(fc.constantFrom(...LENGTHS), fc.nat(1_500)), { minLength: 1, maxLength: 8 }),
    cuts: fc.array(fc.nat(8_000), { maxLength: 30 }),
  });

  it('gives the same frames as in one piece', () => {
    fc.assert(
      fc.property(streams, ({ lengths, cuts }) => {
        const payloads = lengths.map((length, i) => payloadOf(length, i));
        const stream = Buffer.concat(payloads.map((payload) => serverFrame(2, payload)));
        const notes = new Notes();
        feed(
          stream,
          cuts.filter((cut) => cut < stream.length).sort((one, other) => one - other),
          notes,
        );
        expect(haveSameBytes(notes.payloads, payloads)).toBe(true);
      }),
    );
  });
});

describe('what no server sends', () => {
  it.each([
    ['a mask', frame(2, Buffer.from('hello'))],
    ['a payload of 2^40 bytes', Buffer.from('827f0000010000000000', 'hex')],
  ])('%s ends the reading, in one read or byte by byte', (_what, bytes) => {
    const stream = Buffer.concat([serverFrame(1, payloadOf(2)), bytes, serverFrame(1, payloadOf(2))]);
    for (const cuts of [[], Array.from({ length: stream.length - 1 }, (_, i) => i + 1)]) {
      const notes = new Notes();
      feed(stream, cuts, notes);
      expect(notes.frames).toHaveLength(1);
      expect(notes.broken).toHaveLength(1);
    }
  });
});

const AGREED =
  'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
  'Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: volley.v1.msgpack\r\n\r\n';
const FRAMES = '\x81\x02{}';

/** Reads the pieces through one reused buffer. */
function readAll(pieces: readonly string[], subprotocol: string): HandshakeAnswer {
  const reader = new HandshakeReader(subprotocol);
  const buffer = Buffer.alloc(1_000);
  let answer: HandshakeAnswer = { kind: 'more' };
  for (const piece of pieces) {
    buffer.fill(0);
    buffer.write(piece, 'latin1');
    answer = reader.read(buffer, piece.length);
  }
  return answer;
}

describe('the request', () => {
  it('asks for the path, the subprotocol and the extensions', () => {
    const request = upgradeRequest('/rooms/r?since=1', 'host:9000', 'a', 'x; y');
    expect(request).toMatch(/^GET \/rooms\/r\?since=1 HTTP\/1\.1\r\nHost: host:9000\r\n/);
    expect(request).toContain('\r\nSec-WebSocket-Protocol: a\r\nSec-WebSocket-Extensions: x; y\r\n\r\n');
  });

  it('has no line for what is not asked for', () => {
    expect(upgradeRequest('/', 'h', '')).not.toMatch(/Protocol|Extensions/);
  });
});

describe('the answer', () => {
  it('is read wherever it is cut, up to the first frame', () => {
    const whole = AGREED + FRAMES;
    for (let cut = 0; cut < whole.length; cut += 1) {
      const reader = new HandshakeReader('volley.v1.msgpack');
      const first = reader.read(Buffer.from(whole.slice(0, cut), 'latin1'), cut);
      const answer =
        first.kind === 'more' ? reader.read(Buffer.from(whole.slice(cut), 'latin1'), whole.length - cut) : first;
      if (answer.kind !== 'upgraded') throw new Error(`${answer.kind}, cut at ${cut}`);
      const frames = answer.bytes.toString('latin1', answer.start, answer.end);
      expect(FRAMES.startsWith(frames)).toBe(true);
      expect(frames).toHaveLength(first.kind === 'more' ? 4 : Math.max(0, cut - AGREED.length));
    }
  });

  it('of another subprotocol is refused, and so is one that was not asked for', () => {
    expect(readAll([AGREED], 'volley.v1.msgpack.deflate')).toMatchObject({ kind: 'refused' });
    expect(readAll([AGREED], '')).toMatchObject({ kind: 'refused' });
  });

  it('of another status tells it with its body, in one piece or two', () => {
    const refusal = 'HTTP/1.1 400 Bad Request\r\nContent-Length: 15\r\n\r\n{"code":"OH_NO"}';
    const refused = { kind: 'refused', why: 'answered HTTP 400 Bad Request: {"code":"OH_NO"}' };
    expect(readAll([refusal], '')).toEqual(refused);
    expect(readAll([refusal.slice(0, -5), refusal.slice(-5)], '')).toEqual(refused);
    expect(readAll([refusal.slice(0, -5)], '')).toEqual({ kind: 'more' });
  });

  it('that ended too soon tells what there was', () => {
    const reader = new HandshakeReader('');
    expect(reader.describeRest()).toBeUndefined();
    const half = 'HTTP/1.1 503 Service Unavailable\r\n\r\nbusy';
    expect(reader.read(Buffer.from(half), half.length)).toEqual({ kind: 'more' });
    expect(reader.describeRest()).toBe('answered HTTP 503 Service Unavailable: busy');
  });

  it('that is no HTTP is refused', () => {
    expect(readAll(['SSH-2.0-OpenSSH_9.2\r\n\r\n'], '')).toEqual({ kind: 'more' });
    const noise = 'x'.repeat(20_000);
    expect(new HandshakeReader('').read(Buffer.from(noise), noise.length)).toMatchObject({ kind: 'refused' });
  });
});
