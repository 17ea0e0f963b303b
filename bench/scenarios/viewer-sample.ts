import { MOST_WAITING } from './http-feed.ts';

/** Viewers that decode all they get: enough for percentiles, few enough to cost little. */
const SAMPLED = 50;
const LEAST_STEP = 10;

/**
 * Every so many-th viewer is sampled. The step has no divisor in common with the number of rooms, so that the sampled
 * ones are spread over all rooms.
 */
export function chooseSampleStep(connections: number, rooms: number): number {
  let step = Math.max(LEAST_STEP, Math.ceil(connections / SAMPLED));
  while (findDivisor(step, rooms) !== 1) step += 1;
  return step;
}

/**
 * The rooms, by their place, whose posts wait for the store: those with a sampled viewer, as many as keep the posts that
 * wait below {@link MOST_WAITING}.
 *
 * @param interval ms that a post waits at most in a room that keeps up
 * @param gap ms between two posts to a room
 */
export function chooseTimedRooms(
  { connections, rooms, interval, rate }: { connections: number; rooms: number; interval: number; rate: number },
  step: number,
): Set<number> {
  const waiting = 1 + Math.ceil(interval / Math.max(100, 1_000 / rate));
  const most = Math.max(1, Math.floor(MOST_WAITING / waiting));
  const timed = new Set<number>();
  for (let viewer = 0; viewer < connections && timed.size < most; viewer += step) timed.add(viewer % rooms);
  return timed;
}

/** The greatest common divisor. */
function findDivisor(one: number, other: number): number {
  return other === 0 ? one : findDivisor(other, one % other);
}
