import { ShardCounters } from '../src/counters.ts';
import { OpenFileLimit, shareOpenFiles } from '../src/open-files.ts';
import type { ShardTask } from '../src/shards/messages.ts';
import { type TemplatedApp, type us_listen_socket, us_listen_socket_close } from './uws.ts';

/** A shard listens again once so many more connections fit. */
const ROOM_TO_LISTEN = 16;

/**
 * A shard's end of the viewers' port:
 *
 *   listening ──as many connections as the process's files allow──▶ paused
 *   paused ──some have left, seen once a second──▶ listening
 *   either ──stop()──▶ stopped
 *
 * While all shards are paused the system refuses new connections. Those that there are go on. uWebSockets.js would
 * otherwise fail to accept, over and over, at the cost of a core.
 */
export class Listener {
  readonly #app: TemplatedApp;
  readonly #task: ShardTask;
  readonly #own: ShardCounters;
  readonly #all: readonly ShardCounters[];
  readonly #limit = new OpenFileLimit();
  #most = Number.POSITIVE_INFINITY;
  #socket: us_listen_socket | null = null;
  #isPaused = false;

  constructor(app: TemplatedApp, task: ShardTask) {
    this.#app = app;
    this.#task = task;
    this.#own = new ShardCounters(task.counters, task.shard);
    this.#own.set('sockets', 0);
    this.#all = Array.from({ length: task.limits.workers }, (_, shard) => new ShardCounters(task.counters, shard));
    this.#readLimit();
    app.filter(this.#count);
  }

  /** Listens. `done` hears at once whether that worked. */
  start(done: (listens: boolean) => void): void {
    const { host, port } = this.#task.limits;
    this.#app.listen(host, port, (socket) => {
      this.#socket = socket || null;
      done(this.#socket !== null);
    });
  }

  /** The connection of a viewer has ended. */
  left(): void {
    this.#own.add('sockets', -1);
  }

  /** Called once a second: looks whether the limit has changed, and whether there is room to listen again. */
  look(): void {
    this.#readLimit();
    if (this.#socket !== null && this.#free() <= 0) this.#pause();
    if (!this.#isPaused || this.#free() < ROOM_TO_LISTEN) return;
    // Where it does not work yet, for want of a file say, the next second tries again.
    this.start((listens) => {
      this.#isPaused = !listens;
    });
  }

  /** Leaves the port to the other shards, for good. */
  stop(): void {
    this.#isPaused = false;
    this.#close();
  }

  /** Told of each connection that is accepted, and of each that ends before it becomes a viewer's. */
  readonly #count = (_response: unknown, change: number): void => {
    this.#own.add('sockets', change);
    if (change > 0 && this.#free() <= 0) this.#pause();
  };

  #readLimit(): void {
    const { workers, apiConnections } = this.#task.limits;
    this.#most = shareOpenFiles(this.#limit.read(), workers, apiConnections).viewers;
  }

  /** Connections that all shards together may still take. */
  #free(): number {
    let sockets = 0;
    for (const row of this.#all) sockets += row.get('sockets');
    return this.#most - sockets;
  }

  #pause(): void {
    if (this.#socket === null) return;
    this.#close();
    this.#isPaused = true;
    this.#own.add('listenPauses', 1);
  }

  #close(): void {
    if (this.#socket !== null) us_listen_socket_close(this.#socket);
    this.#socket = null;
  }
}
