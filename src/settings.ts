/**
 * Every setting of the server, in one place: flag, environment variable, unit, default, check. `--help` and
 * docs/settings.md are made from this list; `npm run lint` checks the page against it.
 */
import { availableParallelism } from 'node:os';

/** The largest ring that may be asked for. */
export const LARGEST_RING = 536_870_912;

/** The most shards. With them the header of a ring entry is largest. */
export const MOST_SHARDS = 256;

export interface Settings {
  readonly port: number;
  readonly apiPort: number;
  readonly host: string;
  readonly workers: number;
  readonly interval: number;
  readonly heartbeat: number;
  readonly maxBatch: number;
  readonly maxPending: number;
  readonly maxPendingAll: number;
  readonly maxText: number;
  readonly maxHeaders: number;
  readonly viewerNames: boolean;
  readonly maxMessage: number;
  readonly maxBody: number;
  readonly apiConnections: number;
  readonly maxBackpressure: number;
  readonly maxBackfill: number;
  readonly catchUpBytes: number;
  readonly slowClose: number;
  readonly idleTimeout: number;
  readonly shardStall: number;
  readonly grace: number;
  readonly ringSize: number;
  readonly store: string;
  readonly durability: Durability;
  readonly retainAge: number;
  readonly retainBytes: number;
  readonly memoryComments: number;
  readonly memoryAge: number;
  readonly memoryBytes: number;
  readonly publicUrl: string;
  readonly corsOrigins: readonly string[];
  readonly demo: boolean;
  readonly logLevel: LogLevel;
}

const DURABILITIES = ['relaxed', 'sync'] as const;

/** What an acknowledged comment survives: the end of the process (`relaxed`), or of the machine's power too (`sync`). */
export type Durability = (typeof DURABILITIES)[number];

const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const;

export type LogLevel = (typeof LOG_LEVELS)[number];

export type SettingName = keyof Settings;

/** A value read from text, or what is allowed instead. */
type Checked = { readonly value: Settings[SettingName] } | { readonly allowed: string };

export interface Setting {
  readonly name: SettingName;
  /** `max-batch`; the environment variable is `VOLLEY_MAX_BATCH`. */
  readonly flag: string;
  /** What stands for the value in the help. */
  readonly unit: string;
  readonly text: string;
  readonly fallback: Settings[SettingName];
  /** The default as the documentation shows it, where it depends on the machine. */
  readonly fallbackText?: string;
  readonly check: (text: string) => Checked;
}

const MIB = 1_048_576;
const MOST_RETAINED = 16_777_216 * MIB;

export const SETTINGS: readonly Setting[] = [
  whole('port', 'port', 'port for viewers (WebSocket), shared by all shards; 0 takes a free one', 9_000, 0, 65_535),
  whole('apiPort', 'port', 'port for the HTTP API; 0 takes a free one', 9_001, 0, 65_535),
  {
    name: 'host',
    flag: 'host',
    unit: 'address',
    text: 'address that both ports bind; 0.0.0.0 opens them to the network',
    fallback: '127.0.0.1',
    check: (text) =>
      /^[A-Za-z0-9.:_-]+$/.test(text) ? { value: text } : { allowed: 'an IP address or a host name of this machine' },
  },
  {
    ...whole('workers', 'threads', 'shards: worker threads that own the connections', defaultWorkers(), 1, MOST_SHARDS),
    fallbackText: 'available parallelism less one, at least 1',
  },
  whole('interval', 'ms', 'time between two pushes of a room', 1_000, 10, 60_000),
  whole('heartbeat', 'ms', 'a room with viewers and no push for this long hears a presence', 15_000, 1_000, 3_600_000),
  whole('maxBatch', 'comments', 'most comments a push', 1_000, 1, 10_000),
  whole('maxPending', 'comments', 'most comments waiting a room; more is refused ROOM_BUSY', 5_000, 1, 1_000_000),
  whole(
    'maxPendingAll',
    'comments',
    'most comments waiting in all rooms; more is refused BUSY',
    200_000,
    1,
    10_000_000,
  ),
  whole('maxText', 'code points', 'longest text of a comment', 200, 1, 2_000),
  whole(
    'maxHeaders',
    'bytes',
    "largest head of a request on the viewers' port: its first line and headers, with the cookies",
    16_384,
    4_096,
    65_536,
  ),
  {
    name: 'viewerNames',
    flag: 'viewer-names',
    unit: 'boolean',
    text: 'viewers may give their comments a name; false leaves it out',
    fallback: true,
    check: checkBoolean,
  },
  whole('maxMessage', 'bytes', 'largest message of a viewer', 4_096, 64, 65_536),
  whole('maxBody', 'bytes', 'largest body of an HTTP request', MIB, 1_024, 64 * MIB),
  whole(
    'apiConnections',
    'connections',
    'most connections to the API, of which it takes at most a quarter of the open files',
    1_024,
    16,
    65_536,
  ),
  whole('maxBackpressure', 'bytes', 'unsent bytes a viewer, over which it misses pushes', 65_536, 4_096, 16 * MIB),
  whole('maxBackfill', 'comments', 'most comments a viewer gets that was away', 10_000, 0, 10_000_000),
  whole(
    'catchUpBytes',
    'bytes',
    'most bytes of backfill under way to viewers and not read yet; over it joins wait their turn',
    64 * MIB,
    MIB,
    65_536 * MIB,
  ),
  whole(
    'slowClose',
    'ms',
    'a viewer over --max-backpressure, or with backfill unread, for this long is closed (4008)',
    30_000,
    100,
    3_600_000,
  ),
  whole('idleTimeout', 's', 'a viewer that answers no ping for this long is closed', 60, 8, 960),
  whole('shardStall', 'ms', 'a shard that stands still for this long ends the process', 5_000, 500, 600_000),
  whole('grace', 'ms', 'most time between SIGTERM and the end', 10_000, 1_500, 600_000),
  whole('ringSize', 'bytes', 'shared memory for frames on their way to the shards', 16 * MIB, 65_536, LARGEST_RING),
  {
    name: 'store',
    flag: 'store',
    unit: 'name',
    text: 'where batches are kept: level:DIR (files in that directory) or memory (gone with the process)',
    fallback: 'level:./data',
    check: checkStore,
  },
  {
    name: 'durability',
    flag: 'durability',
    unit: 'level',
    text: 'when a comment counts as stored: relaxed (committed; survives a killed process) or sync (on disk; survives a power cut)',
    fallback: 'relaxed',
    check: (text) =>
      DURABILITIES.includes(text as Durability)
        ? { value: text as Durability }
        : { allowed: DURABILITIES.join(' or ') },
  },
  whole('retainAge', 's', 'level store: how long a comment is kept, 0 for ever', 2_592_000, 0, 3_153_600_000),
  whole(
    'retainBytes',
    'bytes',
    'level store: most bytes kept in all rooms, 0 for no bound',
    16_384 * MIB,
    0,
    MOST_RETAINED,
  ),
  whole('memoryComments', 'comments', 'memory store: most comments kept a room', 10_000, 1, 10_000_000),
  whole('memoryAge', 's', 'memory store: how long a comment is kept', 3_600, 1, 604_800),
  whole('memoryBytes', 'bytes', 'memory store: most bytes kept in all rooms', 256 * MIB, MIB, 65_536 * MIB),
  {
    name: 'publicUrl',
    flag: 'public-url',
    unit: 'url',
    text: 'URL of the viewer port as viewers reach it, through a proxy say',
    fallback: '',
    fallbackText: 'ws://HOST:PORT',
    check: checkPublicUrl,
  },
  {
    name: 'corsOrigins',
    flag: 'cors-origins',
    unit: 'origins',
    text: 'web origins that may use the HTTP API from a browser, comma-separated, or *',
    fallback: [],
    fallbackText: 'none',
    check: checkOrigins,
  },
  {
    name: 'demo',
    flag: 'demo',
    unit: 'boolean',
    text: 'fill a few rooms with a lively made-up crowd, for a first look; in memory unless --store is given',
    fallback: false,
    check: checkBoolean,
  },
  {
    name: 'logLevel',
    flag: 'log-level',
    unit: 'level',
    text: 'least severe lines that are logged',
    fallback: 'info',
    check: (text) =>
      LOG_LEVELS.includes(text as LogLevel) ? { value: text as LogLevel } : { allowed: LOG_LEVELS.join(', ') },
  },
];

/** How `--help` groups the settings, the ones that one needs first; those that are in no group come last. */
export const SETTING_GROUPS: readonly { readonly title: string; readonly names: readonly SettingName[] }[] = [
  {
    title: 'First settings',
    names: [
      'port',
      'apiPort',
      'host',
      'publicUrl',
      'workers',
      'store',
      'retainAge',
      'retainBytes',
      'durability',
      'corsOrigins',
      'logLevel',
      'demo',
    ],
  },
  { title: 'Pushes', names: ['interval', 'heartbeat', 'maxBatch', 'ringSize'] },
  {
    title: 'What others may send',
    names: [
      'maxText',
      'viewerNames',
      'maxHeaders',
      'maxMessage',
      'maxBody',
      'maxPending',
      'maxPendingAll',
      'apiConnections',
    ],
  },
  {
    title: 'Viewers that were away or read slowly',
    names: ['maxBackfill', 'catchUpBytes', 'maxBackpressure', 'slowClose', 'idleTimeout'],
  },
  { title: 'The memory store', names: ['memoryComments', 'memoryAge', 'memoryBytes'] },
];

/** `maxBatch` → `VOLLEY_MAX_BATCH`. */
export function envName(setting: Setting): string {
  return `VOLLEY_${setting.flag.replaceAll('-', '_').toUpperCase()}`;
}

/** One worker is left for the main thread. */
function defaultWorkers(): number {
  return Math.min(MOST_SHARDS, Math.max(1, availableParallelism() - 1));
}

function whole(name: SettingName, unit: string, text: string, fallback: number, least: number, most: number): Setting {
  const flag = name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  const check = (given: string): Checked => {
    const value = /^\d{1,15}$/.test(given) ? Number(given) : Number.NaN;
    if (value >= least && value <= most) return { value };
    return { allowed: `a whole number from ${least} to ${most} (${unit})` };
  };
  return { name, flag, unit, text: `${text} (${least} to ${most})`, fallback, check };
}

function checkBoolean(text: string): Checked {
  return text === 'true' || text === 'false' ? { value: text === 'true' } : { allowed: 'true or false' };
}

function checkStore(text: string): Checked {
  if (text === 'memory' || /^level:\P{Cc}+$/u.test(text)) return { value: text };
  return { allowed: 'memory, or level: and a directory' };
}

function checkPublicUrl(text: string): Checked {
  if (text === '' || (/^wss?:\/\//.test(text) && URL.canParse(text))) return { value: text.replace(/\/+$/, '') };
  return { allowed: 'a URL that begins with ws:// or wss://' };
}

function checkOrigins(text: string): Checked {
  if (text === '') return { value: [] };
  const origins = text.split(',').map((origin) => origin.trim());
  const good = origins.every((origin) => origin === '*' || (URL.canParse(origin) && new URL(origin).origin === origin));
  return good ? { value: origins } : { allowed: 'origins like https://example.org, comma-separated, or *' };
}
