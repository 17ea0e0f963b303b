import { describe, expect, it } from 'vitest';
import { PendingSends } from './pending-sends.ts';

const REFUSED = { type: 'refused', message: 'why' } as const;

describe('PendingSends', () => {
  it('gives each sender the answer to its own comment, in whatever order they come', async () => {
    const sends = new PendingSends();
    const [first, second] = [sends.add('1', 80), sends.add('2', 80)];
    sends.acknowledge({ type: 'ack', ref: '2', id: '9.1', seq: 9 });
    expect(sends.refuse({ ...REFUSED, ref: '1', code: 'ROOM_BUSY', retryAfterMs: 1_000 })).toBe(true);
    expect(await first).toStrictEqual({ refused: 'ROOM_BUSY', message: 'why', retryAfterMs: 1_000 });
    expect(await second).toStrictEqual({ id: '9.1', seq: 9 });
  });

  it('knows no answer to what it does not wait for', () => {
    const sends = new PendingSends();
    sends.add('1', 80);
    expect(sends.refuse({ ...REFUSED, ref: '7', code: 'TEXT_INVALID' })).toBe(false);
    expect(sends.refuse({ ...REFUSED, code: 'NOT_JSON' })).toBe(false);
  });

  it('takes a TOO_LARGE, which cannot name its comment, for the largest that waits', async () => {
    const sends = new PendingSends();
    const answers = [sends.add('1', 80), sends.add('2', 5_000), sends.add('3', 9_000), sends.add('4', 90)];
    for (let i = 0; i < 2; i += 1) expect(sends.refuse({ ...REFUSED, code: 'TOO_LARGE' })).toBe(true);
    sends.acknowledge({ type: 'ack', ref: '1', id: '1.0', seq: 1 });
    sends.acknowledge({ type: 'ack', ref: '4', id: '1.1', seq: 1 });
    expect(await Promise.all(answers)).toStrictEqual([
      { id: '1.0', seq: 1 },
      { refused: 'TOO_LARGE', message: 'why' },
      { refused: 'TOO_LARGE', message: 'why' },
      { id: '1.1', seq: 1 },
    ]);
    expect(sends.refuse({ ...REFUSED, code: 'TOO_LARGE' })).toBe(false);
  });

  it('rejects everything that waits when the link is lost, once', async () => {
    const sends = new PendingSends();
    const answers = [sends.add('1', 80), sends.add('2', 80)];
    sends.rejectAll('CONNECTION_LOST', 'gone');
    sends.acknowledge({ type: 'ack', ref: '1', id: '1.0', seq: 1 });
    for (const answer of answers) await expect(answer).rejects.toMatchObject({ code: 'CONNECTION_LOST' });
  });
});
