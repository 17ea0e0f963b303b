/** `npm run bench:peers`: volley against other ways to push the same frames to the same viewers. */
import { compiledFile } from '../src/compiled-file.ts';
import { BenchError } from './options.ts';
import { peersCommand } from './peers/command.ts';

const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  // Stays for later signals too: npm hands on the Ctrl-C that the terminal has already sent.
  process.on(signal, () => stop.abort(new BenchError(`ended by ${signal} before all turns were done: no result`)));
}

const isScript = process.env.npm_lifecycle_event === 'bench:peers';
process.exitCode = await peersCommand(process.argv.slice(2), {
  stdout: process.stdout,
  stderr: process.stderr,
  program: isScript ? ['npm', 'run', 'bench:peers', '--'] : ['node', 'dist/bench/peers.js'],
  page: compiledFile('../docs/benchmarks.md'),
  signal: stop.signal,
});
