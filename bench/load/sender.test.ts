import { describe, expect, it } from 'vitest';
import { CommentFrames } from './comment-frames.ts';
import { Sender } from './sender.ts';

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
    sender.hold();
    sender.fill(3);
    expect(sender.flush()).toBe(0);
    sender.release();
    sender.fill(3);
    expect(sender.flush()).toBe(1);
  });
});
