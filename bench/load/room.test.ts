import { describe, expect, it } from 'vitest';
import { Room } from './room.ts';

function makeRoom(batches: readonly [seq: number, prev: number][]): Room {
  const room = new Room(0, 2, 1);
  for (const [seq, prev] of batches) learn(room, [seq], prev);
  return room;
}

function learn(room: Room, batches: readonly number[], prev: number): void {
  const bytes = Buffer.from(`batch ${batches.join()} after ${prev}`);
  room.learn({ seq: batches.at(-1) ?? 0, prev, comments: 1, batches }, bytes, 0, bytes.length);
}

describe('what a viewer has missed', () => {
  it('is counted along the chain, whose numbers may have holes', () => {
    const room = makeRoom([
      [3, 0],
      [7, 3],
      [8, 7],
      [20, 8],
    ]);
    expect(room.countMissing(8, 20)).toBe(1);
    expect(room.countMissing(7, 20)).toBe(2);
    expect(room.countMissing(0, 20)).toBe(4);
  });

  it('counts every batch of a message with several', () => {
    const room = makeRoom([[3, 0]]);
    learn(room, [5, 6, 9], 3);
    expect(room.countMissing(3, 9)).toBe(3);
    expect(room.countMissing(5, 9)).toBe(2);
  });

  it('is one at least, where nobody here has seen it', () => {
    expect(makeRoom([]).countMissing(4, 100)).toBe(1);
    expect(makeRoom([[100, 90]]).countMissing(4, 100)).toBe(2);
  });

  it('is known of the last thousands of batches', () => {
    const room = makeRoom(Array.from({ length: 5_000 }, (_, i) => [i + 1, i] as [number, number]));
    expect(room.countMissing(1_000, 5_000)).toBe(4_000);
    expect(room.countMissing(0, 5_000)).toBe(4_096 + 1);
  });
});
