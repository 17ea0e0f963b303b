import { plain, type Scenario } from './scenario.ts';

/** Comments that a sender keeps unanswered; the server allows 256 a viewer and 20,000 a shard. */
const WINDOW = 16;

/** The server's default `--max-pending`. */
const LEAST_PENDING = 5_000;
const LEAST_PENDING_ALL = 200_000;

/** From this share of what the windows allow on, they are what was measured. */
const NEAR = 0.9;

/** Senders flood a few rooms: how many comments a second are taken in, and what one costs the main thread. */
export const ingest: Scenario = {
  ...plain,
  name: 'ingest',
  summary: '200 senders flood 10 rooms over their WebSockets, every comment acknowledged',
  // A comment is acknowledged when its room has fired, so a long interval, not the server, would set the pace.
  preset: ({ senders = 200 }) => ({ senders, connections: senders, rooms: Math.min(10, senders), interval: 20 }),
  check: ({ senders }) => (senders === 0 ? 'it wants --senders 1 or more' : undefined),
  shape: (settings) => ({
    ...plain.shape(settings),
    sending: { kind: 'flood', window: WINDOW },
    serverArgs: [
      ...['--max-pending', String(Math.max(LEAST_PENDING, settings.senders * WINDOW))],
      ...['--max-pending-all', String(Math.max(LEAST_PENDING_ALL, settings.senders * WINDOW))],
    ],
  }),
  describe: ({ senders }) => [`${senders} senders keep ${WINDOW} comments each unanswered; --rate does not count here`],
  judge: ({ load }, { senders, interval }) => {
    const refused = [...load.refused.values()].reduce((sum, count) => sum + count, 0);
    const notes =
      refused > 0 ? [`${refused} comments were refused; their senders waited as told and sent the next`] : [];
    const most = (senders * WINDOW * 1_000) / interval;
    if (load.acked / load.seconds < NEAR * most) return { notes };
    const limit =
      `the load generator's senders were the limit, not the server: so many can send at most ${Math.round(most)} ` +
      `comments a second at an interval of ${interval} ms; ask for more --senders`;
    return { warnings: [limit], notes };
  },
};
