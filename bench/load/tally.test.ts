import { afterEach, describe, expect, it } from 'vitest';
import { addTo, PhaseBoard, Tally } from './tally.ts';

const board = { current: new PhaseBoard() };
let now = 0;
const tallies: Tally[] = [];

afterEach(() => {
  for (const tally of tallies.splice(0)) tally.stop();
});

function makeTally(): Tally {
  board.current = new PhaseBoard();
  now = 0;
  const tally = new Tally(board.current, () => now);
  tallies.push(tally);
  return tally;
}

/** A read at `at` brings so many frames. */
function receive(tally: Tally, at: number, frames: number): void {
  now = at;
  tally.look();
  tally.counts.frames += frames;
  tally.counts.comments += frames * 10;
  tally.counts.bytes += frames * 100;
}

describe('a tally', () => {
  it('counts what came between begin and end, and nothing else', () => {
    const tally = makeTally();
    receive(tally, 100, 1_000);
    board.current.begin(500);
    receive(tally, 600, 3);
    receive(tally, 900, 4);
    board.current.end(950);
    receive(tally, 1_000, 5_000);
    expect(tally.totals).toMatchObject({ frames: 7, comments: 70, bytes: 700 });
  });

  it('cuts whole seconds since begin, whenever it is looked at, and leaves the unfinished one out', () => {
    const tally = makeTally();
    board.current.begin(500);
    receive(tally, 500, 1);
    receive(tally, 1_499, 2);
    receive(tally, 1_500, 4);
    expect([...tally.takeReport().seconds]).toEqual([3, 30, 300]);
    receive(tally, 3_600, 8);
    board.current.end(4_600);
    receive(tally, 9_000, 100);
    expect([...tally.takeReport().seconds]).toEqual([4, 40, 400, 0, 0, 0, 8, 80, 800]);
    expect(tally.totals).toMatchObject({ frames: 15 });
  });

  it('has no totals before the end', () => {
    const tally = makeTally();
    board.current.begin(0);
    receive(tally, 10, 1);
    expect(tally.totals).toBeUndefined();
    expect(tally.isMeasuring).toBe(true);
  });

  it('keeps closings and faults from before begin, and each fault once', () => {
    const tally = makeTally();
    addTo(tally.closed, 1012, 1);
    tally.addFault('that is wrong');
    tally.addFault('that is wrong');
    addTo(tally.refused, 'BUSY', 1);
    board.current.begin(0);
    receive(tally, 10, 1);
    addTo(tally.closed, 1012, 1);
    addTo(tally.refused, 'ROOM_BUSY', 1);
    board.current.end(20);
    receive(tally, 30, 1);
    tally.addFault('that too');
    expect(tally.totals).toMatchObject({ closed: new Map([[1012, 2]]), refused: new Map([['ROOM_BUSY', 1]]) });
    expect(tally.totals?.faults).toEqual(['that is wrong', 'that too']);
  });

  it('counts anew when it is measured again', () => {
    const tally = makeTally();
    board.current.begin(0);
    receive(tally, 500, 3);
    board.current.end(900);
    receive(tally, 1_500, 50);
    expect(tally.totals).toMatchObject({ frames: 3 });
    board.current.begin(2_000);
    receive(tally, 2_100, 4);
    expect(tally.totals).toBeUndefined();
    receive(tally, 3_100, 2);
    expect([...tally.takeReport().seconds]).toEqual([4, 40, 400]);
    board.current.end(3_200);
    receive(tally, 3_300, 9);
    expect(tally.totals).toMatchObject({ frames: 6, comments: 60 });
    expect(tally.round).toBe(2);
  });
});
