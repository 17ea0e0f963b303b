/** A viewer in a process of its own: watches `URL` on codec `CODEC` until `FAULTS` faults or `MS` ms; prints what it came to. */
import { readFileSync } from 'node:fs';
import { WebSocket } from 'ws';
import { connect } from './index.ts';

const [url = '', codec, most, ms] = process.argv.slice(2);
const faults: Record<string, number> = {};
const room = connect({ url, room: 'demo', codec: codec as 'json', WebSocket });
const timer = setTimeout(finish, Number(ms));
room.on('fault', ({ code }) => {
  faults[code] = (faults[code] ?? 0) + 1;
  if (Object.values(faults).reduce((sum, count) => sum + count) === Number(most)) finish();
});

function finish(): void {
  clearTimeout(timer);
  room.close();
  // Not that of getrusage, which begins with the size of whoever started this process.
  const peak = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
  process.stdout.write(`${JSON.stringify({ faults, mib: Math.round(Number(peak) / 1_024) })}\n`);
}
