/** Of a bound, what those may take that have more than a few waiting. The rest is for the others. */
const SHARED = 3 / 4;

/** A room with fewer comments waiting than this has its part of what the hot rooms leave. */
export const FEW_OF_ROOM = 8;

/**
 * Whether one that has `own` waiting, of `all` that wait under the same bound `most`, may have one more.
 *
 * Nobody takes more than it leaves to all others, and the last quarter goes to those with fewer than `few` waiting: a
 * quiet one is taken however much the loud ones take, unless there are hundreds of them.
 */
export function leavesEnough(own: number, all: number, most: number, few: number): boolean {
  return all < most && (own < few || own < most * SHARED - all);
}
