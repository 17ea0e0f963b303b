/**
 * `npm run bench -- [options]`: loads a volley server with viewers and real comments, and prints what they and the
 * server saw of it.
 *
 *   cli/        the command line: options, progress bar, exit codes
 *     bench-options.ts    every option, its default and its check
 *     bench-command.ts    options → scenario → report
 *   scenarios/  what is run
 *     scenario.ts         what a scenario is; each has a file under its name, scenario-list.ts lists them
 *     scenario-run.ts     starts or finds the server, once for each number of workers, and runs the scenario
 *     measured-run.ts     one run: connect, warm up, measure
 *     feed-schedule.ts    when comments are due and posted, where viewers do not send them
 *     http-feed.ts        posts them
 *     server-reading.ts   what the server used and counted: /metrics and /proc
 *   load/       the viewers: raw sockets on threads of their own
 *   report/     what was measured → a document (bench-document.ts), which is the JSON → text
 *     run-remarks.ts      what was wrong, and how far the figures can be trusted: warnings and notes
 *
 * Data flows down that list: settings → run results → document → text.
 */
import { benchCommand, INTERRUPTED } from './cli/bench-command.ts';

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

const { npm_lifecycle_event: script, INIT_CWD: typedIn } = process.env;
const code = await benchCommand(process.argv.slice(2), {
  stdout: process.stdout,
  stderr: process.stderr,
  // npm runs scripts in the package's folder, wherever the user typed the command.
  cwd: script === 'bench' && typedIn !== undefined ? typedIn : process.cwd(),
  signal: stop.signal,
});
// Not by itself: connections that were under way at an interruption would hold it.
process.exit(code);
