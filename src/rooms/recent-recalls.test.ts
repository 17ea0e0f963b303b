import { afterEach, describe, expect, it, vi } from 'vitest';
import { encodeMessage } from '../frames/messages.ts';
import { RecentRecalls } from './recent-recalls.ts';

afterEach(() => vi.restoreAllMocks());

/** The ids that a message recalls. */
function idsIn(message: string | null): string[] {
  return message === null ? [] : (JSON.parse(message) as { ids: string[] }).ids;
}

describe('recent recalls', () => {
  it('are told for five minutes each', () => {
    const recalls = new RecentRecalls();
    recalls.add('a', '1.0', 0);
    recalls.add('a', '2.0', 200_000);
    recalls.add('b', '7.0', 200_000);
    expect(recalls.messageOf('a', 299_999)).toBe(encodeMessage({ type: 'recall', ids: ['1.0', '2.0'] }));
    expect(recalls.messageOf('a', 300_000)).toBe(encodeMessage({ type: 'recall', ids: ['2.0'] }));
    expect(recalls.messageOf('a', 499_999)).toBe(encodeMessage({ type: 'recall', ids: ['2.0'] }));
    expect(recalls.messageOf('a', 500_000)).toBeNull();
    expect(recalls.messageOf('never', 0)).toBeNull();
  });

  it('are told from the turn on in which they come, in a room that was asked for just before too', () => {
    const recalls = new RecentRecalls();
    for (const time of [0, 600_000]) {
      expect(recalls.messageOf('a', time)).toBeNull();
      recalls.add('a', '1.0', time);
      expect(recalls.messageOf('a', time)).toBe(encodeMessage({ type: 'recall', ids: ['1.0'] }));
      recalls.add('a', '1.1', time);
      expect(recalls.messageOf('a', time)).toBe(encodeMessage({ type: 'recall', ids: ['1.0', '1.1'] }));
      expect(recalls.messageOf('a', time + 300_000)).toBeNull();
    }
  });

  it('are written once for all who ask, until another comes or the oldest is too old', () => {
    const recalls = new RecentRecalls();
    const write = vi.spyOn(JSON, 'stringify');
    const written = (now: number): number => {
      for (let i = 0; i < 100; i += 1) recalls.messageOf('a', now);
      return write.mock.calls.length;
    };
    recalls.add('a', '1.0', 0);
    recalls.add('a', '2.0', 200_000);
    expect([written(200_000), written(299_999)]).toEqual([1, 1]);
    recalls.add('b', '1.0', 299_999);
    expect(written(299_999)).toBe(1);
    recalls.add('a', '3.0', 299_999);
    expect(written(299_999)).toBe(2);
    expect(written(300_000)).toBe(3);
  });

  it('are the newest 2,000 of a room', () => {
    const recalls = new RecentRecalls();
    for (let i = 0; i < 10_000; i += 1) recalls.add('a', `1.${i}`, i);
    const ids = idsIn(recalls.messageOf('a', 10_000));
    expect([ids.length, ids[0], ids.at(-1)]).toEqual([2_000, '1.8000', '1.9999']);
  });

  it('are forgotten beyond 200,000, those of the room that recalled nothing for longest first', () => {
    const recalls = new RecentRecalls();
    for (let room = 0; room < 100; room += 1) {
      for (let i = 0; i < 2_000; i += 1) recalls.add(`${room}`, `1.${i}`, 0);
    }
    recalls.add('0', '2.0', 0);
    const kept = ['0', '1', '2', '99'].map((room) => idsIn(recalls.messageOf(room, 0)).length);
    expect(kept).toEqual([2_000, 0, 2_000, 2_000]);
  });
});
