import type { LoadPlan } from '../load/load-plan.ts';
import { Seats } from '../load/seats.ts';
import { MOST_WAITING } from './http-feed.ts';

/** Viewers that decode all they get: enough for percentiles, few enough to cost little. */
const SAMPLED = 50;
const LEAST_STEP = 10;

/** About every so many-th viewer is sampled. */
export function chooseSampleStep(connections: number): number {
  return Math.max(LEAST_STEP, Math.ceil(connections / SAMPLED));
}

/**
 * The rooms, by their place, whose posts wait for the store: those with a sampled viewer, as many as keep the posts that
 * wait below {@link MOST_WAITING}, those with the most sampled viewers first.
 *
 * @param interval ms that a post waits at most in a room that keeps up
 * @param gap ms between two posts to a room
 * @param rate comments a second a room
 */
export function chooseTimedRooms(
  plan: LoadPlan,
  { interval, gap, rate }: { interval: number; gap: number; rate: number },
): Set<number> {
  const waiting = 1 + Math.ceil(interval / Math.max(gap, 1_000 / rate));
  const most = Math.max(1, Math.floor(MOST_WAITING / waiting));
  const counts = new Seats(plan).countByRoom(({ sampled }) => sampled);
  const rooms = [...counts.keys()].filter((room) => (counts[room] ?? 0) > 0);
  rooms.sort((one, other) => (counts[other] ?? 0) - (counts[one] ?? 0));
  return new Set(rooms.slice(0, most));
}
