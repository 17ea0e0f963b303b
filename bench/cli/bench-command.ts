import { BenchError } from '../bench-error.ts';
import { describeMachine } from '../report/machine.ts';
import { describeResult } from '../report/result-document.ts';
import { renderText } from '../report/text-report.ts';
import { Interrupted } from '../scenarios/run-watch.ts';
import { runScenario } from '../scenarios/scenario-run.ts';
import { type BenchOptions, readOptions } from './bench-options.ts';
import { type BarStream, ProgressBar } from './progress-bar.ts';

/** What the command needs of the process that it runs in. */
export interface Surroundings {
  /** The report, or the JSON document, and the help go here. */
  readonly stdout: { write(text: string): unknown };
  /** Everything else goes here; the progress bar if it is a terminal. */
  readonly stderr: BarStream;
  /** The folder that `--comments` is relative to. */
  readonly cwd: string;
  /** Aborts with the first Ctrl-C. */
  readonly signal: AbortSignal;
}

/** As shells tell the end by SIGINT. */
export const INTERRUPTED = 130;
const FAILED = 1;
const BAD_OPTION = 2;

/**
 * Runs the bench and gives its exit code: 0 measured, 1 nothing could be measured, 2 bad option, 130 ended by Ctrl-C.
 * @param argv the command line without the program's own name
 */
export async function benchCommand(argv: readonly string[], around: Surroundings): Promise<number> {
  const options = readOptions(argv, around.cwd);
  if ('help' in options) {
    around.stdout.write(options.help);
    return 0;
  }
  if ('fault' in options) {
    around.stderr.write(options.fault);
    return BAD_OPTION;
  }
  const progress = new ProgressBar(around.stderr, options.progress);
  const startedAt = new Date();
  try {
    const result = await runScenario(options.settings, around.signal, progress);
    progress.stop();
    const { settings } = options;
    print(options, describeResult(result, { startedAt, command: argv, settings, machine: describeMachine() }), around);
    return result.interrupted ? INTERRUPTED : 0;
  } catch (error) {
    progress.stop();
    if (error instanceof Interrupted) {
      around.stderr.write('bench: interrupted before anything was measured\n');
      return INTERRUPTED;
    }
    if (!(error instanceof BenchError)) throw error;
    around.stderr.write(`bench: ${error.message}\n`);
    return FAILED;
  }
}

function print({ json }: BenchOptions, document: ReturnType<typeof describeResult>, { stdout }: Surroundings): void {
  stdout.write(json ? `${JSON.stringify(document, null, 2)}\n` : renderText(document));
}
