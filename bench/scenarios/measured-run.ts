import { checkAccepted, checkFrames } from './failure-check.ts';
import { openLoad, planFeed } from './load-opening.ts';
import { planLoad } from './load-planner.ts';
import { MeasuredWindow, type WindowFigures } from './measured-window.ts';
import { readBaseline } from './memory-baseline.ts';
import type { RunContext } from './run-context.ts';
import { isUnknown, type MemoryFigures, type RunResult, type Timing, type Unknown } from './run-result.ts';
import { Interrupted } from './run-watch.ts';
import type { ServerTarget } from './server-target.ts';

/**
 * Measures one run: connects all viewers, warms up, measures for the duration.
 * @throws BenchError when the server fails or nothing was measured; Interrupted on Ctrl-C before measuring
 */
export async function measureRun(target: ServerTarget, context: RunContext): Promise<RunResult> {
  const { settings, shape, watch, progress, comments } = context;
  const baseline = await readBaseline(target, context);
  const plan = planLoad(target.viewerUrl, settings, shape, comments);
  const load = await openLoad(plan, context, 'connecting');
  const feed = planFeed(target, context, plan, load.posted.bind(load));
  try {
    progress.wait('warming up', settings.warmup);
    await load.startSending();
    feed?.start();
    if (!(await watch.pause(settings.warmup * 1_000))) throw new Interrupted();
    const window = await watch.await(MeasuredWindow.open(target, load, feed));
    progress.wait('measuring', settings.duration);
    load.onSecond = ({ frames }) => progress.note(`${frames} frames in the last second`);
    const lasted = await watch.pause(settings.duration * 1_000);
    const found = await window.close();
    checkAccepted(found);
    checkFrames(found.load, target.viewerUrl, !lasted);
    return {
      label: context.label,
      settings,
      shape,
      serverWorkers: target.workers,
      serverIsLocal: target.isLocal,
      serverDescription: target.description,
      interrupted: !lasted,
      timings: listTimings(found, context),
      load: found.load,
      sawAllFrames: true,
      connects: { count: settings.connections, seconds: load.connectSeconds },
      feed: found.feed,
      server: found.server,
      memory: growthOf(found, baseline, settings.connections),
      generator: found.generator,
      warnings: [],
      notes: [],
    };
  } finally {
    // What closes from here on is the bench's doing.
    load.onGone = undefined;
    feed?.stop();
    await load.stop();
  }
}

function listTimings({ load }: WindowFigures, { shape }: RunContext): Timing[] {
  const timings: Timing[] = [
    { key: 'postToReceipt', title: 'post to receipt', histogram: load.latency },
    { key: 'firstToLast', title: 'first to last viewer', histogram: load.spread },
  ];
  if (shape.sending.kind !== 'none') timings.push({ key: 'ack', title: 'sent to ack', histogram: load.ack });
  if (shape.joins) timings.push({ key: 'connect', title: 'connect to welcome', histogram: load.connect });
  return timings;
}

function growthOf(found: WindowFigures, baseline: number | Unknown, viewers: number): MemoryFigures | Unknown {
  if (typeof baseline !== 'number') return baseline;
  return isUnknown(found.memory) ? found.memory : { before: baseline, after: found.memory.to, viewers };
}
