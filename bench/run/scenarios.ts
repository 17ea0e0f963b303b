/** What one call of the bench is to do: its settings, and the scenarios that preset and shape them. */
import { availableParallelism } from 'node:os';
import type { CodecName } from '../../src/frames/codec.ts';
import { mostConnections } from '../load/open-files.ts';
import type { Sending } from '../load/plan.ts';
import { sumOf } from '../load/tally.ts';
import type { RunResult } from '../report/result.ts';

export const SERVER_STORES = ['memory', 'level'] as const;

/** The options of `npm run bench`, whose help says more, with the scenario's presets where none was given. */
export interface RunSettings {
  readonly scenario: string;
  readonly connections: number;
  readonly duration: number;
  readonly rooms: number;
  readonly rate: number;
  readonly workers: number;
  readonly codec: CodecName;
  readonly senders: number;
  readonly warmup: number;
  /** `ws://HOST:PORT`; null: the bench starts a server of its own. */
  readonly url: string | null;
  readonly apiUrl: string | null;
  readonly serverWorkers: readonly number[];
  readonly serverStore: (typeof SERVER_STORES)[number];
  /** Seconds of pushes that those who join in a storm have missed; 0: they are new and ask for history. */
  readonly behind: number;
  /** ms between two pushes of a room: what the own server is told, and what a running one is taken to have. */
  readonly interval: number;
  readonly comments: string;
}

/** What the viewers of a run do, and what the own server is told for it. */
export interface Shape {
  readonly sending: Sending;
  readonly deaf: number;
  /** Share of the viewers that leave and come back each second. */
  readonly churn: number;
  readonly serverArgs: readonly string[];
  readonly others: number;
  /** Whether the time to join belongs to what is measured. */
  readonly joins: boolean;
}

/** A named way to load a server. What it leaves out is that of `hot-room`. */
export interface Scenario {
  readonly name: string;
  readonly summary: string;
  readonly preset?: (given: Partial<RunSettings>) => Partial<RunSettings>;
  /** One sentence on why it cannot run with these settings; undefined if it can. */
  readonly check?: (settings: RunSettings) => string | undefined;
  readonly shape?: (settings: RunSettings) => Partial<Shape>;
  /** What a reader must know of how it was run, a sentence each. */
  readonly describe?: (settings: RunSettings) => readonly string[];
  /** What must be said of a result: warnings on what limits it, and notes. */
  readonly judge?: (run: RunResult) => { readonly warnings?: readonly string[]; readonly notes?: readonly string[] };
}

/** Viewers whose latency is measured before a storm, and so many others while it lasts. */
export const SEATED = 200;
/** Comments that everybody who joins in a storm asks for. */
export const HISTORY = 200;

const MANY_ROOMS = 10_000;
const VIEWERS_A_ROOM = 2;

/** Comments that a sender of a flood keeps unanswered; the server allows 256 a viewer and 20,000 a shard. */
const WINDOW = 16;
/** From this share of what the windows allow on, the windows are what was measured. */
const NEAR_WINDOW = 0.9;
/** The server's default `--max-pending` and `--max-pending-all`. */
const LEAST_PENDING = 5_000;
const LEAST_PENDING_ALL = 200_000;

const DEAF = 0.01;
/** Short, so that it happens within the run. */
const SLOW_CLOSE_MS = '2000';

const CHURN = 0.05;

/** The first is the default. */
export const SCENARIOS: readonly [Scenario, ...Scenario[]] = [
  { name: 'hot-room', summary: 'all viewers in one room (the default)' },
  {
    name: 'many-rooms',
    summary: '10,000 rooms, 2 viewers each as far as open files allow, one of whom sends a comment a second',
    preset: (given) => {
      const most = mostConnections();
      const rooms = given.rooms ?? Math.min(MANY_ROOMS, given.connections ?? most);
      const connections = given.connections ?? Math.min(rooms * VIEWERS_A_ROOM, most);
      return { rooms, connections, rate: 1, senders: Math.min(rooms, connections) };
    },
    check: ({ rooms, connections }) =>
      connections < rooms ? `--connections ${connections} cannot be fewer than --rooms ${rooms}` : undefined,
    describe: ({ rooms, connections }) => {
      const wanted = rooms * VIEWERS_A_ROOM;
      if (connections >= wanted) return [];
      const most = mostConnections();
      const why = most < wanted ? `the open-files limit allows ${most} connections` : '--connections says so';
      return [`${connections} viewers, fewer than ${VIEWERS_A_ROOM} in each of ${rooms} rooms: ${why}`];
    },
  },
  {
    name: 'join-storm',
    summary: `all viewers join at the same moment with history=${HISTORY}, while ${SEATED} seated ones watch`,
    check: ({ senders, url, apiUrl, rate, interval, behind }) => {
      if (behind > 0 && rate * interval < 1_000) return '--behind wants a comment in every --interval';
      if (senders > 0) return 'its comments are posted over HTTP, so it cannot have --senders';
      if (url !== null && apiUrl === null) return 'it posts a history first, so it wants --api-url';
      return undefined;
    },
    shape: () => ({ others: 2 * SEATED, joins: true }),
    describe: ({ connections, duration, behind }) => [
      `of ${2 * SEATED} seated viewers half are measured for ${duration} s before and half for ${duration} s from the ` +
        'beginning of the storm; frames, comments and bytes are of the latter, loss is of them and of all who join',
      `${connections} viewers join ${behind > 0 ? `with what they missed in ${behind} s` : `with history=${HISTORY}`}`,
    ],
  },
  {
    name: 'ingest',
    summary: '200 senders flood 10 rooms over their WebSockets, every comment acknowledged',
    // A comment is acknowledged when its room has fired, so a long interval, not the server, would set the pace.
    preset: ({ senders = 200 }) => ({ senders, connections: senders, rooms: Math.min(10, senders), interval: 20 }),
    check: ({ senders }) => (senders === 0 ? 'it wants --senders 1 or more' : undefined),
    shape: ({ senders }) => ({
      sending: { kind: 'flood', window: WINDOW },
      serverArgs: [
        ...['--max-pending', String(Math.max(LEAST_PENDING, senders * WINDOW))],
        ...['--max-pending-all', String(Math.max(LEAST_PENDING_ALL, senders * WINDOW))],
      ],
    }),
    describe: ({ senders }) => [
      `${senders} senders keep ${WINDOW} comments each unanswered; --rate does not count here`,
    ],
    judge: ({ load, settings: { senders, interval } }) => {
      const refused = sumOf(load.refused);
      const waited = `${refused} comments were refused; their senders waited as told and sent the next`;
      const notes = refused > 0 ? [waited] : [];
      const most = (senders * WINDOW * 1_000) / interval;
      if (load.acked / load.seconds < NEAR_WINDOW * most) return { notes };
      const limit =
        `the load generator's senders were the limit, not the server: so many can send at most ${Math.round(most)} ` +
        `comments a second at an interval of ${interval} ms; ask for more --senders`;
      return { warnings: [limit], notes };
    },
  },
  {
    name: 'slow-readers',
    summary: '1 % of the viewers read nothing; what the others see meanwhile',
    // The kernel holds up to some 4 MB a connection before the server notices: 5,000 comments a second as JSON are
    // 0.5 MB a second and viewer.
    preset: () => ({ connections: 200, rate: 5_000, interval: 100, codec: 'json', duration: 15 }),
    shape: ({ connections }) => ({ deaf: countDeaf(connections), serverArgs: ['--slow-close', SLOW_CLOSE_MS] }),
    check: ({ senders, connections }) =>
      senders + countDeaf(connections) > connections ? 'those who read nothing cannot be --senders too' : undefined,
    describe: ({ connections }) => [
      `${countDeaf(connections)} of the ${connections} viewers read nothing; latency, frames and loss are those of the others`,
    ],
    judge: ({ server, shape }) => {
      if ('unknown' in server) return {};
      const { dropped, skipped, slowCloses } = server;
      const counts = `messages dropped for slow viewers ${dropped}, "skipped" sent ${skipped}, closed for being slow ${slowCloses}`;
      if (slowCloses > 0) return { notes: [counts] };
      const notYet = `the kernel still took all for the ${shape.deaf} who read nothing; it wants more --rate or --duration`;
      return { notes: [`${counts}: ${notYet}`] };
    },
  },
  {
    name: 'workers',
    summary: 'hot-room with 1, 2, … server workers up to the cores less one, compared',
    preset: () => {
      const most = Math.max(2, availableParallelism() - 1);
      return { serverWorkers: Array.from({ length: most }, (_, i) => i + 1) };
    },
    check: ({ url }) => (url === null ? undefined : 'it starts servers of its own, so it cannot have --url'),
  },
  {
    name: 'churn',
    summary: '5 % of the viewers leave and come back each second',
    describe: () => ['the CPU of server and load generator has the leaving and joining in it'],
    shape: () => ({ churn: CHURN, joins: true }),
  },
];

export function findScenario(name: string): Scenario {
  return SCENARIOS.find((scenario) => scenario.name === name) ?? SCENARIOS[0];
}

/** The shape that the settings' scenario gives a run. Senders share what `--rate` says of all rooms. */
export function shapeOf(settings: RunSettings): Shape {
  const { senders, rate, rooms, scenario } = settings;
  const sending: Sending = senders === 0 ? { kind: 'none' } : { kind: 'paced', rate: (rate * rooms) / senders };
  const plain = { sending, deaf: 0, churn: 0, serverArgs: [], others: 0, joins: false };
  return { ...plain, ...findScenario(scenario).shape?.(settings) };
}

function countDeaf(connections: number): number {
  return Math.max(1, Math.round(connections * DEAF));
}
