/** `npm run replay -- FILE --room R`: replays a Bilibili XML recording through volley's HTTP API. */
import { systemClock } from '../src/clock.ts';
import { replayCommand } from './replay-command.ts';

const stop = new AbortController();
// Stays for later signals too: npm hands on the Ctrl-C that the terminal has already sent.
process.on('SIGINT', () => stop.abort());

const { npm_lifecycle_event: script, INIT_CWD: typedIn } = process.env;
process.exitCode = await replayCommand(process.argv.slice(2), {
  clock: systemClock,
  stdout: process.stdout,
  stderr: process.stderr,
  // npm runs scripts in the package's folder, wherever the user typed the command.
  cwd: script === 'replay' && typedIn !== undefined ? typedIn : process.cwd(),
  signal: stop.signal,
});
