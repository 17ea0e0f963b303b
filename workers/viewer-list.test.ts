import { describe, expect, it } from 'vitest';
import { JSON_CODEC } from '../src/frames/codec.ts';
import { Viewer, ViewerList } from './viewer.ts';

function createViewers(count: number): Viewer[] {
  return Array.from({ length: count }, (_, i) => new Viewer(`room-${i}`, JSON_CODEC, { kind: 'now' }));
}

describe('the list of viewers', () => {
  it('holds who was added and not deleted, whoever leaves in whatever order', () => {
    const list = new ViewerList();
    const viewers = createViewers(6);
    const [a, b, c, d, e, f] = viewers as [Viewer, Viewer, Viewer, Viewer, Viewer, Viewer];
    for (const viewer of viewers) list.add(viewer);
    // One in the middle, the first, the last, one that was moved to another place, the last but one, the last of all.
    for (const [leaves, left] of [
      [c, [a, b, d, e, f]],
      [a, [b, d, e, f]],
      [e, [b, d, f]],
      [f, [b, d]],
      [b, [d]],
      [d, []],
    ] as const) {
      expect(list.delete(leaves)).toBe(true);
      expect(new Set(list.all())).toEqual(new Set<Viewer>(left));
    }
  });

  it('says that one is not in it: never added, gone already, or in another list', () => {
    const list = new ViewerList();
    const other = new ViewerList();
    const [a, b, c] = createViewers(3) as [Viewer, Viewer, Viewer];
    list.add(a);
    other.add(b);
    expect([list.delete(b), list.delete(c), list.delete(a), list.delete(a)]).toEqual([false, false, true, false]);
    expect(list.all()).toEqual([]);
    expect(other.all()).toEqual([b]);
  });

  it('may lose viewers while all of them are gone through', () => {
    const list = new ViewerList();
    const viewers = createViewers(5);
    for (const viewer of viewers) list.add(viewer);
    const seen = [];
    for (const viewer of list.all()) {
      seen.push(viewer);
      list.delete(viewer);
    }
    expect(seen).toEqual(viewers);
  });
});
