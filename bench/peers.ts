/**
 * `npm run bench:peers`: volley against other ways to push the same frames to the same viewers, turn by turn.
 *
 *   peers/peers-options.ts     the command line
 *   peers/peers-command.ts     one run from options to tables, JSON and docs/benchmarks.md
 *   peers/peers-run.ts         case by case, turn by turn, contender by contender
 *   peers/turn.ts              one turn of one contender: viewers, warm-up, CPU, spread
 *     peers/turn-check.ts      whether what the load saw is a result
 *   peers/peer-case.ts         what is pushed: small, large, spread
 *   peers/contender.ts         what a contender is; contenders.ts lists them
 *     peers/volley-contender.ts       fed by peer-feed.ts with peer-comments.ts
 *     peers/javascript-contenders.ts  run ws-server.ts, uws-send-server.ts, uws-publish-server.ts, socketio-server.ts
 *     peers/c-and-go-contenders.ts    build and run floor.c, and shared/perf's server in Go
 *   peers/child-server.ts      the process that a contender runs in; death-signal.ts ends it with the bench
 *   peers/workshop.ts          a temporary folder: programs, and frames (peer-frames.ts, in the format of frame-file.ts)
 *   peers/comparison.ts        ratios, and the rows of the tables
 *   peers/benchmarks-page.ts   the generated page; provenance.ts says where its figures come from
 */
import { compiledFile } from '../src/compiled-file.ts';
import { BenchError } from './bench-error.ts';
import { CONTENDERS } from './peers/contenders.ts';
import { peersCommand } from './peers/peers-command.ts';

const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  // Stays for later signals too: npm hands on the Ctrl-C that the terminal has already sent.
  process.on(signal, () => stop.abort(new BenchError(`ended by ${signal} before all turns were done: no result`)));
}

const isScript = process.env.npm_lifecycle_event === 'bench:peers';
process.exitCode = await peersCommand(process.argv.slice(2), {
  contenders: CONTENDERS,
  stdout: process.stdout,
  stderr: process.stderr,
  program: isScript ? ['npm', 'run', 'bench:peers', '--'] : ['node', 'dist/bench/peers.js'],
  page: compiledFile('../docs/benchmarks.md'),
  signal: stop.signal,
});
