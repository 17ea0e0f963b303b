import { Load } from '../load/load.ts';
import type { LoadPlan } from '../load/load-plan.ts';
import { chooseGap } from './feed-schedule.ts';
import { HttpFeed } from './http-feed.ts';
import { nameRooms, pathOf } from './load-planner.ts';
import type { RunContext } from './run-context.ts';
import type { ServerTarget } from './server-target.ts';
import { chooseTimedRooms } from './viewer-sample.ts';

/**
 * Opens the connections of `plan`, and from then on has the run end when the server is gone.
 * @throws BenchError when not all come up; Interrupted on Ctrl-C
 */
export async function openLoad(plan: LoadPlan, { watch, progress }: RunContext, phase: string): Promise<Load> {
  progress.count(phase, plan.connections);
  const starting = Load.start(plan, (up) => progress.advance(up));
  const load = await watch.await(starting, (late) => late.stop());
  load.onGone = (why) => watch.fail(why);
  return load;
}

/**
 * A feed for the rooms that `plan` watches; null where viewers send, or where there is no API to post to.
 * @param tell is told of each comment that was timed: the load that measures
 */
export function planFeed(
  target: ServerTarget,
  { settings, shape, comments }: RunContext,
  plan: LoadPlan,
  tell: Load['posted'],
): HttpFeed | null {
  if (shape.sending.kind !== 'none' || target.apiUrl === null) return null;
  const rooms = nameRooms(settings.rooms);
  const { rate } = settings;
  const gap = chooseGap(settings);
  return new HttpFeed({
    apiUrl: target.apiUrl,
    rooms,
    rate,
    gap,
    comments,
    timed: chooseTimedRooms(plan, { interval: settings.interval, gap, rate }),
    onPosted: (room, id, at) => tell(pathOf(rooms[room] ?? ''), id, at),
  });
}
