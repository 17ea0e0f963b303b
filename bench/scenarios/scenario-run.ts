import { type CommentFile, readComments } from './comment-file.ts';
import { requireConnections } from './connection-limit.ts';
import { measureRun } from './measured-run.ts';
import { OwnServer } from './own-server.ts';
import type { RunProgress } from './run-progress.ts';
import type { RunResult, ScenarioResult } from './run-result.ts';
import type { RunSettings } from './run-settings.ts';
import { Interrupted, RunWatch } from './run-watch.ts';
import { RunningServer } from './running-server.ts';
import { findScenario } from './scenario-list.ts';
import type { ServerTarget } from './server-target.ts';

/**
 * Runs a scenario: once against the server that runs already, or once for each number of workers of the own server.
 * Every server that it starts has ended when it returns or throws.
 *
 * @param signal aborts with the first Ctrl-C: what was measured till then is the result
 * @throws BenchError when a run fails; Interrupted when nothing was measured yet
 */
export async function runScenario(
  settings: RunSettings,
  signal: AbortSignal,
  progress: RunProgress,
): Promise<ScenarioResult> {
  const file = readComments(settings.comments);
  requireConnections(countConnections(settings), 'the bench');
  const runs: RunResult[] = [];
  for (const workers of settings.url === null ? settings.serverWorkers : [null]) {
    try {
      runs.push(await runOnce(settings, workers, file, signal, progress));
    } catch (error) {
      if (!(error instanceof Interrupted) || runs.length === 0) throw error;
    }
    if (signal.aborted) break;
  }
  return { runs, interrupted: signal.aborted, notes: describeInput(settings, file) };
}

/** @param workers of the own server; null for a server that runs already */
async function runOnce(
  settings: RunSettings,
  workers: number | null,
  { comments }: CommentFile,
  signal: AbortSignal,
  progress: RunProgress,
): Promise<RunResult> {
  const scenario = findScenario(settings.scenario);
  const shape = scenario.shape(settings);
  const watch = new RunWatch(signal);
  const label = workers === null ? 'the server' : `${workers} server worker${workers === 1 ? '' : 's'}`;
  progress.count(workers === null ? 'looking for the server' : `starting a server with ${label}`, 1);
  const target = await watch.await(findTarget(settings, workers, shape.serverArgs), (late) => late.stop());
  target.onGone = (why) => watch.fail(why);
  try {
    if (target.pid !== null) requireConnections(countConnections(settings), "the bench's own server", target.pid);
    const context = { label, settings, shape, comments, watch, progress };
    const run = await (scenario.measure ?? measureRun)(target, context);
    const { warnings = [], notes = [] } = scenario.judge(run, settings);
    return { ...run, warnings: [...run.warnings, ...warnings], notes: [...run.notes, ...notes] };
  } finally {
    await target.stop();
  }
}

function countConnections(settings: RunSettings): number {
  return settings.connections + findScenario(settings.scenario).shape(settings).others;
}

function findTarget(
  { url, apiUrl, interval, serverStore }: RunSettings,
  workers: number | null,
  args: readonly string[],
): Promise<ServerTarget> {
  if (workers === null) return RunningServer.find(url ?? '', apiUrl);
  return OwnServer.start(workers, serverStore, ['--interval', String(interval), ...args]);
}

function describeInput(settings: RunSettings, { leftOut }: CommentFile): string[] {
  const notes = [...findScenario(settings.scenario).describe(settings)];
  if (leftOut > 0) notes.push(`${leftOut} entries of ${settings.comments} were left out: the server would refuse them`);
  return notes;
}
