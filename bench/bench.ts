/**
 * `npm run bench -- [options]`: loads a volley server with viewers and real comments, and prints what they and the
 * server saw of it.
 *
 *   options.ts  the options reader of all four entries: bench, peers, micro, measure
 *   run/        scenarios, the launcher of servers, the feeder, and one run: settings → RunResult
 *   load/       the viewers and senders: raw sockets on threads of their own
 *   report/     RunResult → the document, which is the JSON → text; remarks on how far figures can be trusted
 */
import { BenchError } from './bench-error.ts';
import { FAILED, INTERRUPTED, type Surroundings, tellNoOptions } from './options.ts';
import { describeMachine, describeResult } from './report/document.ts';
import { makeProgressBar } from './report/progress-bar.ts';
import { renderText } from './report/text.ts';
import { readOptions } from './run/bench-options.ts';
import { runScenario } from './run/run.ts';
import { Interrupted } from './run/window.ts';

/** Under npm one Ctrl-C arrives twice: from the terminal, and handed on by npm. */
const ECHO_MS = 500;

const stop = new AbortController();
let interruptedAt = 0;

function interrupt(): void {
  if (stop.signal.aborted) {
    // An own server ends with this process.
    if (performance.now() - interruptedAt >= ECHO_MS) process.exit(INTERRUPTED);
    return;
  }
  interruptedAt = performance.now();
  stop.abort();
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, interrupt);

// Not by itself: connections that were under way at an interruption would hold it.
process.exit(await run(process.argv.slice(2), { stdout: process.stdout, stderr: process.stderr, signal: stop.signal }));

async function run(argv: readonly string[], around: Surroundings): Promise<number> {
  // npm runs scripts in the package's folder, wherever the user typed the command.
  const { npm_lifecycle_event: script, INIT_CWD: typedIn } = process.env;
  const options = readOptions(argv, script === 'bench' && typedIn !== undefined ? typedIn : process.cwd());
  if (!('settings' in options)) return tellNoOptions(options, around);
  const { stdout, stderr, signal } = around;
  const { settings, json } = options;
  const progress = makeProgressBar(stderr, options.progress);
  const startedAt = new Date();
  try {
    const result = await runScenario(settings, signal, progress);
    progress.stop();
    const document = describeResult(result, startedAt, argv, settings, describeMachine());
    stdout.write(json ? `${JSON.stringify(document, null, 2)}\n` : renderText(document));
    return result.interrupted ? INTERRUPTED : 0;
  } catch (error) {
    progress.stop();
    const isInterrupted = error instanceof Interrupted;
    if (!isInterrupted && !(error instanceof BenchError)) throw error;
    stderr.write(`bench: ${isInterrupted ? 'interrupted before anything was measured' : error.message}\n`);
    return isInterrupted ? INTERRUPTED : FAILED;
  }
}
