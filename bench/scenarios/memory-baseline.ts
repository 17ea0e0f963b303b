import { openLoad, planFeed } from './load-opening.ts';
import { planLoad } from './load-planner.ts';
import { NO_API } from './measured-window.ts';
import type { RunContext } from './run-context.ts';
import type { Unknown } from './run-result.ts';
import { Interrupted } from './run-watch.ts';
import { readServer } from './server-reading.ts';
import type { ServerTarget } from './server-target.ts';

const VIEWERS = 20;
const MOST_SECONDS = 2;

/**
 * Memory of a server that has pushed to a few viewers for a while but has no viewers of the run yet, in bytes: what it
 * takes to become warm is not the viewers'.
 *
 * @throws BenchError when the server fails; Interrupted on Ctrl-C
 */
export async function readBaseline(target: ServerTarget, context: RunContext): Promise<number | Unknown> {
  const { settings, watch, progress, comments } = context;
  if (target.apiUrl === null) return NO_API;
  if (settings.warmup === 0) return { unknown: 'with --warmup 0 the server was cold' };
  const few = { ...settings, connections: VIEWERS, senders: 0, rooms: 1, workers: 1 };
  const shape = { ...context.shape, sending: { kind: 'none' }, deaf: 0, churn: 0 } as const;
  const fewContext = { ...context, settings: few, shape };
  const plan = planLoad(target.viewerUrl, few, shape, comments);
  const load = await openLoad(plan, fewContext, 'warming the server');
  const feed = planFeed(target, fewContext, plan, load.posted.bind(load));
  try {
    feed?.start();
    const seconds = Math.min(MOST_SECONDS, settings.warmup);
    progress.wait('warming the server', seconds);
    if (!(await watch.pause(seconds * 1_000))) throw new Interrupted();
  } finally {
    feed?.stop();
    load.onGone = undefined;
    await load.stop();
  }
  return (await readServer(target.apiUrl, target.pid)).memory;
}
