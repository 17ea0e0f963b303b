import { plain, type Scenario } from './scenario.ts';

const SHARE = 0.01;

/** Short, so that it happens within the run. */
const SLOW_CLOSE_MS = 2_000;

/**
 * One viewer of a hundred reads nothing. The kernel holds up to some 4 MB a connection before the server notices, so
 * this pushes a lot: 5,000 comments a second as JSON are 0.5 MB a second and viewer.
 */
export const slowReaders: Scenario = {
  ...plain,
  name: 'slow-readers',
  summary: '1 % of the viewers read nothing; what the others see meanwhile',
  preset: () => ({ connections: 200, rate: 5_000, interval: 100, codec: 'json', duration: 15 }),
  shape: (settings) => ({
    ...plain.shape(settings),
    deaf: countDeaf(settings.connections),
    serverArgs: ['--slow-close', String(SLOW_CLOSE_MS)],
  }),
  check: ({ senders, connections }) =>
    senders + countDeaf(connections) > connections ? 'those who read nothing cannot be --senders too' : undefined,
  describe: ({ connections }) => [
    `${countDeaf(connections)} of the ${connections} viewers read nothing; latency, frames and loss are those of the others`,
  ],
  judge: ({ server }, { connections }) => {
    if ('unknown' in server) return {};
    const { dropped, skipped, slowCloses } = server;
    const counts = `messages dropped for slow viewers ${dropped}, "skipped" sent ${skipped}, closed for being slow ${slowCloses}`;
    if (slowCloses > 0) return { notes: [counts] };
    const deaf = countDeaf(connections);
    const notYet = `the kernel still took all for the ${deaf} who read nothing; it wants more --rate or --duration`;
    return { notes: [`${counts}: ${notYet}`] };
  },
};

function countDeaf(connections: number): number {
  return Math.max(1, Math.round(connections * SHARE));
}
