import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MODES } from '../../comment.ts';
import { CommentLanes, type Footprint } from './comment-stage.ts';

const WIDTH = 800;
const HEIGHT = 400;
const LINE = 25;

function lanesOf(height = HEIGHT): CommentLanes {
  const lanes = new CommentLanes();
  lanes.resize(WIDTH, height, LINE);
  return lanes;
}

function footprint(mode: Footprint['mode'], given: Partial<Footprint> = {}): Footprint {
  return { mode, width: 100, height: LINE, duration: mode === 'scroll' ? 8_000 : 5_000, ...given };
}

/** A comment in the picture. */
interface Shown extends Footprint {
  readonly top: number;
  readonly since: number;
}

/** From where to where a comment reaches at a time. */
function spanOf({ mode, width, since, duration }: Shown, at: number): readonly [number, number] {
  if (mode !== 'scroll') return [(WIDTH - width) / 2, (WIDTH + width) / 2];
  const left = WIDTH - ((WIDTH + width) * (at - since)) / duration;
  return [left, left + width];
}

function touch(one: Shown, other: Shown, at: number): boolean {
  if ([one, other].some(({ since, duration }) => at < since || at >= since + duration)) return false;
  if (one.top + one.height <= other.top || other.top + other.height <= one.top) return false;
  const [[left, right], [otherLeft, otherRight]] = [spanOf(one, at), spanOf(other, at)];
  return left < otherRight && otherLeft < right;
}

describe('comments in the picture', () => {
  it('never touch, whatever comes', () => {
    const coming = fc.record({
      mode: fc.constantFrom(...MODES),
      width: fc.integer({ min: 10, max: 1_200 }),
      height: fc.integer({ min: 15, max: 80 }),
      pause: fc.integer({ min: 0, max: 1_500 }),
    });
    fc.assert(
      fc.property(fc.array(coming, { maxLength: 60 }), (comments) => {
        const lanes = lanesOf();
        const shown: Shown[] = [];
        let now = 0;
        for (const { pause, ...comment } of comments) {
          now += pause;
          const wanted = footprint(comment.mode, comment);
          const top = lanes.place(wanted, now);
          if (top === null) continue;
          expect(top).toBeGreaterThanOrEqual(0);
          expect(top + wanted.height).toBeLessThanOrEqual(HEIGHT);
          shown.push({ ...wanted, top, since: now });
        }
        for (let at = 0; at < now + 8_000; at += 250) {
          for (const [i, one] of shown.entries()) {
            for (const other of shown.slice(i + 1)) expect(touch(one, other, at)).toBe(false);
          }
        }
      }),
      { numRuns: 60 },
    );
  });

  it('stand at the top and the bottom however much flies between', () => {
    const lanes = lanesOf();
    for (let i = 0; i < 200; i += 1) lanes.place(footprint('scroll'), i * 10);
    expect(lanes.place(footprint('top'), 2_000)).toBe(0);
    expect(lanes.place(footprint('top'), 2_000)).toBe(LINE);
    expect(lanes.place(footprint('bottom'), 2_000)).toBe(HEIGHT - LINE);
  });

  it('take every line but those of the other edge where nothing else wants them', () => {
    const lanes = lanesOf();
    const tops = Array.from({ length: HEIGHT / LINE - 1 }, () => lanes.place(footprint('top'), 0));
    expect(tops).toEqual([...Array.from({ length: HEIGHT / LINE - 2 }, (_, i) => i * LINE), null]);
    expect(lanes.place(footprint('scroll'), 0)).toBeNull();
    expect(lanes.place(footprint('bottom'), 0)).toBe(HEIGHT - LINE);
    expect(lanes.place(footprint('top'), 5_000)).toBe(0);
  });

  it('at the bottom stay there when the picture changes its height', () => {
    const lanes = lanesOf();
    expect(lanes.place(footprint('bottom'), 0)).toBe(HEIGHT - LINE);
    lanes.resize(WIDTH, 2 * HEIGHT, LINE);
    expect(lanes.place(footprint('bottom'), 0)).toBe(2 * HEIGHT - 2 * LINE);
  });

  it('find their places free again once the picture was cleared', () => {
    const lanes = lanesOf();
    lanes.place(footprint('top'), 0);
    lanes.clear();
    expect(lanes.place(footprint('top'), 0)).toBe(0);
  });
});
