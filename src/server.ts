/**
 * Puts the server together. The road of a comment, by folder:
 *
 *   intake/    HTTP API: parse, bound, refuse          (what viewers send is parsed in workers/)
 *   rooms/     pending comments of this second; a room fires
 *   store/     the log: append, seq, the ordered tail
 *   frames/    batches → one frame a codec → the ring
 *   shards/    main's end of the worker threads: wake-ups, joins, receipts
 *   workers/   the shards: uWebSockets.js Apps that publish the ring's frames
 */
import type { Logger } from 'pino';
import { createHttpApi } from './api/app.ts';
import { type Clock, systemClock } from './clock.ts';
import { VolleyError } from './codes.ts';
import { compiledFile } from './compiled-file.ts';
import { createMainCounters, createShardCounters, ShardCounters } from './counters.ts';
import { DemoCrowd } from './demo/crowd.ts';
import { createRing, RingWriter } from './frames/frame-ring.ts';
import { checkRingSize, largestBatch, mostRecalled } from './frames/push-size.ts';
import { Pusher } from './frames/pusher.ts';
import { Metrics } from './metrics/metrics.ts';
import { Sampler } from './metrics/sampler.ts';
import { OpenFileLimit, shareOpenFiles } from './open-files.ts';
import { holdViewersPort, openApi, urlHost } from './ports.ts';
import type { Room } from './rooms/room.ts';
import { Rooms } from './rooms/rooms.ts';
import type { Settings } from './settings.ts';
import { JoinDesk } from './shards/join-desk.ts';
import { NO_BINARY } from './shards/messages.ts';
import { ShardLinks, ShardPool } from './shards/shard-pool.ts';
import { StallWatch } from './shards/stall-watch.ts';
import type { Store, StoreEvents } from './store/store.ts';
import { LevelStore } from './store/store-level.ts';
import { MemoryStore } from './store/store-memory.ts';

/** Of `--grace`, what the shards' last comments and what the pending ones may take; the rest is for closing viewers. */
const QUIESCE_SHARE = 0.2;
const DRAIN_SHARE = 0.5;

/** Parts that a test replaces. */
export interface ServerParts {
  readonly clock?: Clock;
  readonly store?: Store;
  /** Another module for the shards' tasks. */
  readonly shardFile?: string;
  /** Lines that the log has lost. */
  readonly lostLines?: () => number;
  /** Called when a shard stands still, after comments were refused and the store finished: ends the process. */
  readonly onStall?: () => void;
}

/** A server that runs. */
export interface Server {
  /** `ws://HOST:PORT` with the real port, or `--public-url`. */
  readonly viewerUrl: string;
  readonly apiUrl: string;
  /** The real ports, whatever `--public-url` says. */
  readonly ports: { readonly viewers: number; readonly api: number };
  readonly store: string;
  /** The package of uWebSockets.js that is in use, and its version. */
  readonly library: string;
  /** The batches, rooms and viewers as main sees them, for tests. */
  readonly rooms: Rooms;
  /**
   * Stops: takes nothing more, fires what is pending, closes viewers with 1012, ends the threads. Resolves when no
   * thread and no port is left; does not resolve if a shard does not answer, so the caller bounds it by `--grace`.
   */
  stop(): Promise<void>;
}

/**
 * Starts a server and resolves when every shard listens.
 * @throws VolleyError PORT_IN_USE, RING_TOO_SMALL, BINARY_MISSING, SHARD_LISTEN, STORE_…; then nothing is left running
 */
export async function startServer(settings: Settings, logger: Logger, parts: ServerParts = {}): Promise<Server> {
  checkRingSize(settings.ringSize, settings.maxBatch, settings.maxText);
  const clock = parts.clock ?? systemClock;
  const shards = settings.workers;
  const counters = createMainCounters();
  const memory = createRing(settings.ringSize & ~7, shards);
  const ring = new RingWriter(memory);
  const shardCounters = createShardCounters(shards);
  const rows = Array.from({ length: shards }, (_, shard) => new ShardCounters(shardCounters, shard));
  const store = parts.store ?? createStore(settings, clock, logger);
  const links = new ShardLinks();
  const pusher = new Pusher<Room>({
    clock,
    ring,
    counters,
    wake: links.wake,
    oversized: (room, bytes) => logger.error({ room, bytes }, 'a frame is larger than the ring can take'),
  });
  const rooms = new Rooms({
    ...settings,
    clock,
    store,
    counters,
    shards,
    sink: pusher,
    maxPushBytes: largestBatch(settings.maxBatch, settings.maxText),
    maxRecalled: mostRecalled(settings.ringSize),
    onFault: (room, error) => logger.error({ room, err: error }, 'a room could not be opened'),
  });
  const desk = new JoinDesk({
    ...settings,
    clock,
    rooms,
    store,
    counters,
    stepBytes: settings.maxBackpressure / 2,
    onFault: (room, error) => logger.error({ room, err: error }, 'a backfill could not be read'),
  });
  const stall = new StallWatch({
    clock,
    shards,
    limit: settings.shardStall,
    progress: (shard) => rows[shard]?.progress ?? 0,
    thread: (shard) => rows[shard]?.get('thread') ?? 0,
    onStall: (shard, ms) => {
      logger.fatal({ shard, ms }, 'a shard stands still and cannot be ended alone: ending the process');
      const stored = rooms.drain().then(() => store.close());
      within(stored, settings.grace * DRAIN_SHARE).then(() => parts.onStall?.());
    },
  });
  const viewersPort = await holdViewersPort(settings);
  const pool = new ShardPool({
    clock,
    shards,
    filename: parts.shardFile ?? compiledFile('workers/shard.js'),
    links,
    memory,
    ring,
    shardCounters,
    limits: { ...settings, port: viewersPort.port, catchUpBytes: Math.floor(settings.catchUpBytes / shards) },
    rooms,
    desk,
    counters,
    onPoolFault: (error) => {
      counters.faultsPool += 1;
      logger.error({ err: error }, 'the pool of threads has a fault');
    },
    onStart: (shard) => stall.watch(shard, true),
    onUp: (shard) => logger.debug({ shard }, 'shard listens'),
    onDown: (shard, error) => {
      stall.watch(shard, false);
      if (error === undefined) logger.debug({ shard }, 'shard ended');
      else logger.error({ shard, err: error }, 'shard failed; its viewers were sent away');
    },
  });
  const metrics = new Metrics({
    counters,
    rooms,
    ring,
    store,
    shards: rows,
    library: () => pool.library,
    lostLines: parts.lostLines ?? (() => 0),
  });
  const sampler = new Sampler({
    clock,
    counters,
    rooms,
    ring,
    store,
    shards: rows,
    onFault: (error) => {
      counters.faultsSampler += 1;
      logger.error({ err: error }, 'a sample for the dashboard could not be made');
    },
  });
  const fileLimit = new OpenFileLimit();
  const api = await createHttpApi({
    ...settings,
    rooms,
    store,
    counters,
    logger,
    metrics,
    sampler,
    mostConnections: () => shareOpenFiles(fileLimit.read(), shards, settings.apiConnections).api,
    pages: { ...settings, port: viewersPort.port },
    isOpen: () => pool.started,
    notReady: () => rooms.refusal ?? (pool.ready ? null : 'NOT_READY'),
  });
  const crowd = settings.demo ? new DemoCrowd({ clock, rooms, counters }) : null;

  async function stop(): Promise<void> {
    crowd?.stop();
    rooms.refuse();
    if (!(await within(pool.quiesce(), settings.grace * QUIESCE_SHARE))) {
      logger.warn('a shard does not answer: its last comments are lost');
    }
    if (!(await within(rooms.drain(), settings.grace * DRAIN_SHARE))) {
      logger.warn({ pending: rooms.pending }, 'the store did not take everything in time');
    }
    await release();
  }

  async function release(): Promise<void> {
    stall.stop();
    api.server.closeIdleConnections();
    await pool.close();
    api.server.closeAllConnections();
    await api.close();
    rooms.stop();
    pusher.stop();
    metrics.stop();
    sampler.stop();
    await store.close();
  }

  const giveUp = async (error: unknown): Promise<never> => {
    metrics.stop();
    sampler.stop();
    await api.close();
    throw error;
  };
  const apiPort = await openApi(api, settings)
    .finally(() => viewersPort.release())
    .catch(giveUp);
  const events: StoreEvents = {
    tail: (batches) => rooms.tail(batches),
    recalled: (comments) => rooms.recalled(comments),
    state: (state, why) => {
      rooms.storeState(state);
      logger.warn({ state, why }, 'the state of the store');
    },
  };
  await store.start(events).catch(giveUp);
  // uWebSockets.js reads it once, when a shard loads it.
  process.env.UWS_HTTP_MAX_HEADERS_SIZE = String(settings.maxHeaders);
  await pool.start().catch(async (error: unknown) => {
    await release();
    throw shardStartFault(error);
  });
  crowd?.start();
  return {
    viewerUrl: settings.publicUrl || `ws://${urlHost(settings.host)}:${viewersPort.port}`,
    apiUrl: `http://${urlHost(settings.host)}:${apiPort}`,
    ports: { viewers: viewersPort.port, api: apiPort },
    store: store.name,
    library: pool.library,
    rooms,
    stop,
  };
}

function createStore(settings: Settings, clock: Clock, logger: Logger): Store {
  if (settings.store !== 'memory') {
    return new LevelStore({
      dir: settings.store.replace(/^level:/, ''),
      durability: settings.durability,
      retainAge: settings.retainAge * 1_000,
      retainBytes: settings.retainBytes,
      clock,
      onFault: (error) => logger.error({ err: error }, 'a fault of the store'),
      onNotice: (sentence) => logger.warn(sentence),
    });
  }
  return new MemoryStore({
    comments: settings.memoryComments,
    bytes: settings.memoryBytes,
    age: settings.memoryAge * 1_000,
    clock,
  });
}

/** True when `promise` resolved within `ms`. */
async function within(promise: Promise<void>, ms: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), ms);
  });
  const done = await Promise.race([promise.then(() => true), late]);
  clearTimeout(timer);
  return done;
}

/** What a shard that never listened died of. Errors lose their class on the way between threads. */
function shardStartFault(error: unknown): VolleyError {
  const detail = error instanceof Error ? error.message : String(error);
  if (detail.startsWith(NO_BINARY)) return new VolleyError('BINARY_MISSING', detail, { cause: error });
  return new VolleyError('SHARD_LISTEN', `a shard could not start: ${detail}`, { cause: error });
}
