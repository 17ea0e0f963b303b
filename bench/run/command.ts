import { BenchError, FAILED, INTERRUPTED, type Surroundings, tellNoOptions } from '../options.ts';
import { describeMachine, describeResult } from '../report/document.ts';
import { makeProgressBar } from '../report/progress-bar.ts';
import { renderText } from '../report/text.ts';
import { readOptions } from './bench-options.ts';
import { runScenario } from './run.ts';
import { Interrupted } from './window.ts';

/** Returns the exit code. `argv` is the command line without the program's own name. */
export async function benchCommand(argv: readonly string[], around: Surroundings): Promise<number> {
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
