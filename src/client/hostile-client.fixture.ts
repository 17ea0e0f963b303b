/** A viewer in a process of its own: watches `URL` on codec `CODEC` for `MS` ms, and prints what it came to. */
import { WebSocket } from 'ws';
import { connect } from './index.ts';

const [url = '', codec, ms] = process.argv.slice(2);
const faults: Record<string, number> = {};
let comments = 0;
const room = connect({ url, room: 'demo', codec: codec as 'json', WebSocket });
room.on('fault', ({ code }) => {
  faults[code] = (faults[code] ?? 0) + 1;
});
room.on('comment', () => {
  comments += 1;
});
setTimeout(() => {
  room.close();
  const { maxRSS } = process.resourceUsage();
  process.stdout.write(`${JSON.stringify({ faults, comments, maxRSS: maxRSS / 1_024 })}\n`);
}, Number(ms));
