import { describe, expect, it } from 'vitest';
import { type HandshakeAnswer, HandshakeReader, upgradeRequest } from './handshake.ts';

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
    const request = upgradeRequest('/rooms/r?since=1', 'host:9000', { subprotocol: 'a', extensions: 'x; y' });
    expect(request).toMatch(/^GET \/rooms\/r\?since=1 HTTP\/1\.1\r\nHost: host:9000\r\n/);
    expect(request).toContain('\r\nSec-WebSocket-Protocol: a\r\nSec-WebSocket-Extensions: x; y\r\n\r\n');
  });

  it('has no line for what is not asked for', () => {
    expect(upgradeRequest('/', 'h', { subprotocol: '', extensions: '' })).not.toMatch(/Protocol|Extensions/);
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
