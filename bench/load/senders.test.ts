import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { seeded } from '../../src/seeded.ts';
import { CommentFrames, makePace, Sender } from './senders.ts';
import { clientFrame, OPCODE } from './wire.ts';

const COMMENTS = [
  { text: '神之感动 "quoted"', mode: 'top', color: 255, size: 30 },
  { text: 'x'.repeat(3_000), mode: 'scroll', color: 16_777_215, size: 25 },
];

/** The payload of a client's frame, unmasked, whatever the mask. */
function payloadOf(frame: Buffer): string {
  const short = (frame[1] ?? 0) & 0x7f;
  const [length, maskAt] = short === 126 ? [frame.readUInt16BE(2), 4] : [short, 2];
  const payload = frame.subarray(maskAt + 4);
  expect(payload).toHaveLength(length);
  expect((frame[1] ?? 0) & 0x80).toBe(0x80);
  return Buffer.from(payload.map((byte, i) => byte ^ (frame[maskAt + (i % 4)] ?? 0))).toString();
}

describe('a comment as a frame', () => {
  it.each([0, 1, 2, 3])('is the message that the protocol wants, number %i', (number) => {
    const frames = new CommentFrames(COMMENTS);
    const into = Buffer.alloc(frames.longest + 10);
    const end = frames.write(into, 10, number, 123_456);
    expect(end - 10).toBeLessThanOrEqual(frames.longest);
    const message = JSON.parse(payloadOf(into.subarray(10, end)));
    expect(message).toEqual({ type: 'comment', ref: '123456', ...COMMENTS[number % 2] });
  });
});

describe("a client's frame", () => {
  it.each([0, 5, 125, 126, 4_000])('of %i bytes has a mask and its length', (length) => {
    expect(payloadOf(clientFrame(OPCODE.text, Buffer.alloc(length, 'a')))).toBe('a'.repeat(length));
  });

  it('is never longer than servers take', () => {
    expect(() => clientFrame(OPCODE.text, Buffer.alloc(65_536))).toThrow(RangeError);
  });
});

describe('a pace', () => {
  it('tells each time once it has come', () => {
    const pace = makePace(10, 1_000);
    expect(pace(999)).toEqual([]);
    expect(pace(1_000)).toEqual([1_000]);
    expect(pace(1_050)).toEqual([]);
    expect(pace(1_200)).toEqual([1_100, 1_200]);
  });

  it('tells what was missed while nobody looked, with the times at which it was due', () => {
    const pace = makePace(4, 0);
    expect(pace(1_000)).toEqual([0, 250, 500, 750, 1_000]);
  });

  it('lags by its phase', () => {
    expect(makePace(10, 0, 0.5)(200)).toEqual([50, 150]);
  });

  it('has each time anywhere in its own gap where they are drawn, and no interval that divides it is met at the same places', () => {
    const times = makePace(20, 1_000, 0.5, seeded(3))(1_000 + 10_000 * 50);
    expect(times.every((time, i) => Math.floor((time - 1_025) / 50) === i)).toBe(true);
    expect(times.length).toBeGreaterThan(9_998);
    const tenths = new Array<number>(10).fill(0);
    for (const time of times) {
      const tenth = Math.floor((time % 100) / 10);
      tenths[tenth] = (tenths[tenth] ?? 0) + 1;
    }
    expect(Math.min(...tenths)).toBeGreaterThan(850);
  });

  it('keeps for later what is more than was asked for', () => {
    const pace = makePace(10, 0);
    expect(pace(400, 2)).toEqual([0, 100]);
    expect(pace(400, 2)).toEqual([200, 300]);
    expect(pace(400, 2)).toEqual([400]);
  });

  it('keeps its rate whenever it is looked at', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5_000 }), fc.array(fc.nat(200), { maxLength: 50 }), (rate, steps) => {
        const pace = makePace(rate, 0);
        const times: number[] = [];
        let now = 0;
        for (const step of steps) {
          now += step;
          times.push(...pace(now));
        }
        expect(times.every((time, i) => Math.abs(time - (i * 1_000) / rate) < 1e-6)).toBe(true);
        expect(times.length).toBeGreaterThanOrEqual(steps.length === 0 ? 0 : Math.floor((now * rate) / 1_000));
      }),
    );
  });
});

const FRAMES = new CommentFrames([{ text: 'hi', mode: 'scroll', color: 0, size: 25 }]);

class Link {
  isUp = true;
  buffered = 0;
  readonly written: string[] = [];
  write(bytes: Buffer): void {
    this.written.push(bytes.toString('latin1'));
  }

  /** The refs of every comment, a list for every write. */
  get refs(): string[][] {
    return this.written.map((text) => [...text.matchAll(/"ref":"(\d+)"/g)].map(([, ref]) => ref ?? ''));
  }
}

function makeSender(scratch = 4_096): { sender: Sender; link: Link } {
  const link = new Link();
  return { link, sender: new Sender(link, FRAMES, Buffer.alloc(scratch), 0) };
}

describe('a sender', () => {
  it('sends all that is due in one write', () => {
    const { sender, link } = makeSender();
    for (const at of [10, 20, 30]) sender.schedule(at);
    expect(sender.flush()).toBe(3);
    expect(sender.flush()).toBe(0);
    expect(link.refs).toEqual([['0', '1', '2']]);
  });

  it('sends in several writes what does not fit into one', () => {
    const { sender, link } = makeSender(2 * FRAMES.longest);
    for (let at = 0; at < 5; at += 1) sender.schedule(at);
    expect(sender.flush()).toBe(5);
    expect(link.refs.flat()).toEqual(['0', '1', '2', '3', '4']);
    expect(link.refs.length).toBeGreaterThan(1);
  });

  it('knows of each comment when it was to be sent, until it is answered', () => {
    const { sender } = makeSender();
    sender.schedule(10);
    sender.schedule(20);
    expect(sender.takeAnswered(0)).toBeUndefined();
    sender.flush();
    expect(sender.takeAnswered(1)).toBe(20);
    expect(sender.takeAnswered(1)).toBeUndefined();
    expect(sender.takeAnswered(0)).toBe(10);
    expect(sender.takeAnswered(Number.NaN)).toBeUndefined();
  });

  it('keeps what is due, with its time, while the socket takes no more or is not up', () => {
    const { sender, link } = makeSender();
    sender.schedule(10);
    link.buffered = 2 ** 21;
    expect(sender.flush()).toBe(0);
    link.buffered = 0;
    link.isUp = false;
    expect(sender.flush()).toBe(0);
    expect(sender.hasDue).toBe(true);
    link.isUp = true;
    expect(sender.flush()).toBe(1);
    expect(sender.hasDue).toBe(false);
    expect(sender.takeAnswered(0)).toBe(10);
  });

  it('fills its window, and again what was answered', () => {
    const { sender, link } = makeSender();
    expect(sender.isStarted).toBe(false);
    sender.fill(3);
    expect(sender.flush()).toBe(3);
    sender.takeAnswered(0);
    sender.takeAnswered(2);
    sender.fill(3);
    expect(sender.flush()).toBe(2);
    sender.fill(3);
    expect(sender.flush()).toBe(0);
    expect(link.refs).toEqual([
      ['0', '1', '2'],
      ['3', '4'],
    ]);
  });

  it('leaves places of its window free that are held', () => {
    const { sender } = makeSender();
    sender.fill(3);
    sender.flush();
    sender.takeAnswered(1);
    sender.held += 1;
    sender.fill(3);
    expect(sender.flush()).toBe(0);
    sender.held -= 1;
    sender.fill(3);
    expect(sender.flush()).toBe(1);
  });
});
