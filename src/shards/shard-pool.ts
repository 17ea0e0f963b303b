/**
 * The shards as piscina tasks: one pool of as many threads as shards, one never-ending task a shard.
 *
 * A thread with a live uWebSockets.js App must never be torn down (the process would abort), so the pool is
 * destroyed only when every task has ended by itself, its App closed. A task that fails has closed its App too; its
 * viewers are dropped from the rooms and the shard is run again, as a new generation with a port of its own.
 */
import { MessageChannel } from 'node:worker_threads';
import { Piscina } from 'piscina';
import type { Clock } from '../clock.ts';
import type { MainCounters } from '../counters.ts';
import type { RingMemory, RingWriter } from '../frames/frame-ring.ts';
import type { Rooms } from '../rooms/rooms.ts';
import type { JoinDesk } from './join-desk.ts';
import type { ShardLimits, ShardTask } from './messages.ts';
import { ShardLink } from './shard-link.ts';

/** A shard that fails again within this time of being run again is left alone for as long, in ms. */
const RESTART_PAUSE_MS = 1_000;

/** The link to each shard's running generation. Made before rooms and pool: pushes wake shards by it. */
export class ShardLinks {
  readonly #links: (ShardLink | undefined)[] = [];

  get(shard: number): ShardLink | undefined {
    return this.#links[shard];
  }

  set(shard: number, link: ShardLink | undefined): void {
    this.#links[shard] = link;
  }

  /** Tells a shard that the ring is readable up to `head`. */
  readonly wake = (shard: number, head: number): void => this.#links[shard]?.wake(head);
}

export interface ShardPoolOptions {
  readonly clock: Clock;
  readonly shards: number;
  /** The compiled module whose default export runs a {@link ShardTask}. */
  readonly filename: string;
  readonly links: ShardLinks;
  readonly memory: RingMemory;
  readonly ring: RingWriter;
  readonly shardCounters: SharedArrayBuffer;
  readonly limits: ShardLimits;
  readonly rooms: Rooms;
  readonly desk: JoinDesk;
  readonly counters: MainCounters;
  /** A thread failed while no task ran in it; the pool has started another. */
  readonly onPoolFault: (error: unknown) => void;
  /** A generation of a shard begins: from now on it reads the ring. */
  readonly onStart: (shard: number) => void;
  /** A shard listens, for the first time or again. */
  readonly onUp: (shard: number) => void;
  /** A shard's task has ended, with the fault if it had one. */
  readonly onDown: (shard: number, error: unknown) => void;
}

interface Shard {
  listening: boolean;
  startedAt: number;
  /** This generation is not the first. */
  restarted: boolean;
  quiesced: () => void;
  ended: Promise<void>;
}

/** Room for what a shard makes and soon drops, in MB; a flood of comments cost it the same with 8 as with 48. */
const YOUNG_MB = 8;

export class ShardPool {
  readonly #options: ShardPoolOptions;
  /** Null before the start: it begins with its threads. */
  #pool: Piscina<ShardTask, void> | null = null;
  readonly #shards: Shard[];
  #library = '';
  #closing = false;

  constructor(options: ShardPoolOptions) {
    this.#options = options;
    this.#shards = Array.from({ length: options.shards }, () => ({
      listening: false,
      startedAt: Number.NEGATIVE_INFINITY,
      restarted: false,
      quiesced: () => undefined,
      ended: Promise.resolve(),
    }));
  }

  /**
   * Runs every shard; resolves when all listen.
   * @throws VolleyError SHARD_LISTEN when one cannot; the others go on and must be closed
   */
  async start(): Promise<void> {
    const { filename, shards, onPoolFault } = this.#options;
    this.#pool = new Piscina({
      filename,
      minThreads: shards,
      maxThreads: shards,
      concurrentTasksPerWorker: 1,
      atomics: 'disabled',
      recordTiming: false,
      workerHistogram: false,
      // A crowd that joins is mostly garbage: V8's own bound would let a shard keep up to 48 MB of room for it.
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MB },
    });
    this.#pool.on('error', onPoolFault);
    await Promise.all(this.#shards.map((shard, index) => this.#firstRun(shard, index)));
  }

  get started(): boolean {
    return this.#pool !== null;
  }

  /** True while every shard listens and no stop has begun. */
  get ready(): boolean {
    return !this.#closing && this.#shards.every((shard) => shard.listening);
  }

  /** The package of uWebSockets.js that the shards run on, and its version; '' before one listens. */
  get library(): string {
    return this.#library;
  }

  /** Makes the shards stop listening and taking comments; resolves when all that they had taken is here. */
  async quiesce(): Promise<void> {
    this.#closing = true;
    await Promise.all(
      this.#shards.map(
        (shard, index) =>
          new Promise<void>((resolve) => {
            const link = this.#options.links.get(index);
            if (link === undefined) return resolve();
            shard.quiesced = resolve;
            shard.ended.then(resolve);
            link.quiesce();
          }),
      ),
    );
  }

  /** Closes every viewer with 1012, waits for every task, then ends the threads. */
  async close(): Promise<void> {
    this.#closing = true;
    for (const index of this.#shards.keys()) this.#options.links.get(index)?.closeViewers();
    await Promise.all(this.#shards.map((shard) => shard.ended));
    await this.#pool?.destroy();
  }

  #firstRun(shard: Shard, index: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#run(shard, index, resolve, reject);
    });
  }

  /** Runs a generation of a shard. `failed` hears of one that never listened, and then it is not run again. */
  #run(shard: Shard, index: number, up: () => void, failed?: (error: unknown) => void): void {
    const { clock, links, ring, memory, shardCounters, limits, rooms, desk, counters, onStart, onUp } = this.#options;
    const pool = this.#pool;
    if (pool === null) return;
    const { port1, port2 } = new MessageChannel();
    shard.startedAt = clock.now();
    const link = new ShardLink({
      shard: index,
      port: port1,
      rooms,
      desk,
      counters,
      onListening: (library) => {
        this.#library = library;
        shard.listening = true;
        onUp(index);
        up();
      },
      onQuiesced: () => shard.quiesced(),
    });
    // Attached before the first entry that this generation may be woken for, at the head of this turn.
    ring.attach(index);
    onStart(index);
    links.set(index, link);
    const task: ShardTask = { shard: index, port: port2, ring: memory, counters: shardCounters, limits };
    shard.ended = pool.run(task, { transferList: [port2] }).then(
      () => this.#end(shard, index, link, undefined),
      (error: unknown) => {
        const never = !shard.listening;
        this.#end(shard, index, link, error);
        if (never && failed) failed(error);
        else this.#runAgain(shard, index);
      },
    );
  }

  #end(shard: Shard, index: number, link: ShardLink, error: unknown): void {
    link.close();
    this.#options.links.set(index, undefined);
    shard.listening = false;
    this.#options.ring.detach(index);
    this.#options.rooms.dropShard(index);
    this.#options.onDown(index, error);
  }

  #runAgain(shard: Shard, index: number): void {
    if (this.#closing) return;
    const { clock, counters } = this.#options;
    const again = shard.restarted && clock.now() - shard.startedAt < RESTART_PAUSE_MS;
    shard.restarted = true;
    clock.after(again ? RESTART_PAUSE_MS : 0, () => {
      if (this.#closing) return;
      counters.shardRestarts += 1;
      this.#run(shard, index, () => undefined);
    });
  }
}
