/** Writes 5,000 lines to the log on stdout, then says on stderr how many were lost, and waits for stdin to end. */
import { createLogger, LogOutput } from './log.ts';

const output = new LogOutput();
const logger = createLogger('info', output);
for (let i = 0; i < 5_000; i += 1) logger.fatal({ i, padding: 'x'.repeat(100) }, 'one of many');
await new Promise((resolve) => setImmediate(resolve));
logger.fatal('the last');
process.stderr.write(`lost ${output.lost}\n`);
process.stdin.resume();
