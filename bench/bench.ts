/**
 * `npm run bench -- [options]`: loads a volley server with viewers and real comments, and prints what they and the
 * server saw of it.
 *
 *   options.ts  the options reader of all four entries: bench, peers, micro, measure
 *   run/        scenarios, the launcher of servers, the feeder, and one run: settings → RunResult
 *   load/       the viewers and senders: raw sockets on threads of their own
 *   report/     RunResult → the document, which is the JSON → text; remarks on how far figures can be trusted
 */
import { INTERRUPTED } from './options.ts';
import { benchCommand } from './run/command.ts';

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

const { stdout, stderr } = process;
// Not by itself: connections that were under way at an interruption would hold it.
process.exit(await benchCommand(process.argv.slice(2), { stdout, stderr, signal: stop.signal }));
