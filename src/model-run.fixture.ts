import { onTestFinished } from 'vitest';
import type { CodecName } from './frames/codec.ts';
import { seeded } from './seeded.ts';
import { readRoom } from './store/kill-rounds.fixture.ts';
import { type ServerProcess, startProcess } from './testing/server-process.ts';
import { type ServerMessage, ViewerClient } from './testing/viewer-client.ts';

const ROOMS = ['a', 'b', 'busy'];
const CODECS: readonly (CodecName | undefined)[] = [undefined, 'json', 'msgpack', 'deflate'];
const MOST_VIEWERS = 30;
const SHARDS = 2;

/** Small bounds, so that each is met: a ring of a few frames, sockets that take little, a backfill of half a second. */
const FLAGS = [
  ['--interval', '20'],
  ['--workers', String(SHARDS)],
  ['--max-batch', '10'],
  ['--max-text', '2000'],
  ['--ring-size', '600000'],
  ['--max-backpressure', '4096'],
  ['--max-backfill', '300'],
  ['--slow-close', '15000'],
  ['--shard-stall', '60000'],
].flat();

/** How often each thing happens, of all together. */
const ACTIONS = {
  post: 40,
  flood: 3,
  say: 10,
  recall: 6,
  join: 8,
  leave: 3,
  return: 3,
  stopReading: 6,
  stallShard: 2,
  failShard: 0.15,
};
type Action = keyof typeof ACTIONS;

/** What happened in a run, beside what was asked for: a run in which one of these stays 0 has not tested it. */
export class ModelCounts {
  acked = 0;
  recalled = 0;
  kills = 0;
  resumes = 0;
  skips = 0;
  gaps = 0;
  resets = 0;
  slowCloses = 0;
  ringWaits = 0;
  shardRestarts = 0;
}

/** A viewer that stays complete as docs/protocol.md tells it to, and keeps what it heard. */
class ModelViewer {
  readonly room: string;
  readonly heard = new Map<string, string>();
  /** Batches that the server said are gone. */
  readonly gaps: { from: number; to: number }[] = [];
  readonly faults: string[] = [];
  /** The seq after which this viewer began, and its newest; undefined until the first batch of a `history`. */
  start: number | undefined;
  last: number | undefined;
  readonly #run: ModelRun;
  readonly #codec: CodecName | undefined;
  #query: string;
  #client: ViewerClient | null = null;
  #isAway = false;
  #isDeaf = false;

  constructor(run: ModelRun, room: string, codec: CodecName | undefined, from: number) {
    this.#run = run;
    this.room = room;
    this.#codec = codec;
    this.#query = ['', '?history=20', '?since=0', '?since=1000000000'][from] ?? '';
    if (from === 2) this.start = this.last = 0;
    if (from === 3) this.start = this.last = 1_000_000_000;
    this.#connect();
  }

  leave(): void {
    this.#isAway = true;
    this.#client?.socket.terminate();
  }

  return(): void {
    if (!this.#isAway) return;
    this.#isAway = false;
    this.#connect();
  }

  stopReading(ms: number): void {
    if (this.#isAway) return;
    this.deafen();
    setTimeout(() => this.hearAgain(), ms);
  }

  /** Reads no more until {@link hearAgain}, on a new link, as its buffers are still small. */
  deafen(): void {
    this.#isDeaf = true;
    this.#resume();
  }

  hearAgain(): void {
    this.#isDeaf = false;
    this.#client?.socket.resume();
  }

  say(ref: string, text: string): void {
    if (this.#client?.socket.readyState === 1) this.#client.send({ type: 'comment', ref, text });
  }

  #connect(): void {
    const { viewerUrl } = this.#run.server;
    const query = this.last === undefined ? this.#query : `?since=${this.last}`;
    const options = this.#codec === undefined ? { query } : { query, codec: this.#codec };
    const client = new ViewerClient(viewerUrl, this.room, options);
    this.#client = client;
    // What went wrong shows in `closed`.
    client.socket.on('error', () => undefined);
    client.socket.once('message', () => {
      if (this.#isDeaf) client.socket.pause();
    });
    client.socket.on('message', () => {
      const message = client.messages.at(-1);
      if (client === this.#client && message !== undefined) this.#take(message);
    });
    client.closed.then(({ code }) => {
      if (code === 4008) this.#run.counts.slowCloses += 1;
      if (client !== this.#client || this.#isAway) return;
      this.#client = null;
      setTimeout(() => {
        if (this.#client === null && !this.#isAway) this.#connect();
      }, 50);
    });
  }

  /** Something is missing: what comes on this link no longer counts. */
  #resume(): void {
    this.#run.counts.resumes += 1;
    const client = this.#client;
    this.#connect();
    client?.socket.terminate();
  }

  #take(message: ServerMessage): void {
    if (message.type === 'welcome') this.#begin(message);
    else if (message.type === 'batch') this.#hear(message);
    else if (message.type === 'recall') for (const id of message.ids as string[]) this.heard.delete(id);
    else if (message.type === 'ack') this.#run.ack(this.room, message.id as string, message.ref as string);
    else if (message.type === 'skipped') {
      this.#run.counts.skips += 1;
      this.#resume();
    } else if (message.type === 'presence' && (message.seq as number) > (this.last ?? 0)) this.#resume();
  }

  #begin({ seq, reset, gap }: ServerMessage): void {
    if (this.last === undefined) {
      if (this.#query === '') this.start = this.last = seq as number;
      return;
    }
    if (reset) {
      this.#run.counts.resets += 1;
      this.heard.clear();
      this.gaps.length = 0;
      this.start = this.last = 0;
    }
    if (gap !== undefined) {
      this.#run.counts.gaps += 1;
      const told = gap as { from: number; to: number };
      if (told.from !== this.last + 1) this.faults.push(`a gap from ${told.from} after seq ${this.last}`);
      this.gaps.push(told);
      this.last = told.to;
    }
  }

  #hear(message: ServerMessage): void {
    const { seq, prev, comments } = message as unknown as Batch;
    if (this.last === undefined) this.start = this.last = prev;
    if (prev > this.last) {
      this.#resume();
      return;
    }
    if (prev < this.last || seq <= this.last) this.faults.push(`batch ${prev} to ${seq} after ${this.last}`);
    this.last = seq;
    for (const { id, text } of comments) {
      if (this.heard.has(id)) this.faults.push(`${id} twice`);
      this.heard.set(id, text);
    }
  }
}

interface Batch {
  readonly seq: number;
  readonly prev: number;
  readonly comments: readonly { id: string; text: string }[];
}

/**
 * Random things that viewers, senders, moderators and a bad machine do to a real server, drawn from a seed; and at the end
 * the list of every viewer against the stored log. The seed gives the same things in the same order; when they meet, the machine decides.
 */
export class ModelRun {
  readonly counts = new ModelCounts();
  readonly faults: string[] = [];
  server: ServerProcess;
  readonly #random: () => number;
  readonly #args: readonly string[];
  readonly #viewers: ModelViewer[] = [];
  /** Texts by room and id: `a 42.7`. */
  readonly #acked = new Map<string, string>();
  readonly #recalled = new Set<string>();
  readonly #asked = new Set<Promise<void>>();
  #said = 0;

  private constructor(seed: number, args: readonly string[], server: ServerProcess) {
    this.#random = seeded(seed);
    this.#args = args;
    this.server = server;
  }

  /** Runs `steps` things that happen, `kills` SIGKILLs among them, and gives the run with what was wrong in `faults`. */
  static async run(
    dir: string,
    { seed, steps, kills }: { seed: number; steps: number; kills: number },
  ): Promise<ModelRun> {
    const args = ['--store', `level:${dir}`, ...FLAGS];
    const run = new ModelRun(seed, args, await start(args));
    // Where it does not come to its end.
    onTestFinished(() => void run.server.child.kill('SIGKILL'));
    for (let step = 1; step <= steps; step += 1) {
      if (step % Math.floor(steps / (kills + 1)) === 0 && step < steps) await run.#kill();
      else run.#act();
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    await run.#finish();
    return run;
  }

  ack(room: string, id: string, text: string): void {
    const key = `${room} ${id}`;
    if (this.#acked.has(key)) this.faults.push(`${key} was acknowledged twice`);
    this.#acked.set(key, text);
    this.counts.acked += 1;
  }

  #act(): void {
    const action = this.#draw();
    const viewer = this.#pick(this.#viewers);
    const room = this.#pick(ROOMS) ?? '';
    const number = this.#random();
    if (action === 'post') this.#ask(this.#post(room, Math.ceil(number ** 3 * 60)));
    else if (action === 'flood') this.#ask(this.#post('busy', 150, 2_000));
    else if (action === 'recall') this.#ask(this.#recall(number));
    else if (action === 'stallShard') this.server.tell(`stall ${Math.floor(number * SHARDS)} 400`);
    else if (action === 'failShard') this.server.tell(`throw ${Math.floor(number * SHARDS)}`);
    else if (action === 'join') {
      if (this.#viewers.length < MOST_VIEWERS) this.#viewers.push(this.#join(room));
    } else if (action === 'say') {
      this.#said += 1;
      const text = `said ${this.#said}`;
      viewer?.say(text, text);
    } else if (action === 'stopReading') viewer?.stopReading(number * 10_000);
    else viewer?.[action]();
  }

  #draw(): Action {
    const weights = Object.entries(ACTIONS) as [Action, number][];
    let at = this.#random() * weights.reduce((sum, [, weight]) => sum + weight, 0);
    for (const [action, weight] of weights) {
      at -= weight;
      if (at < 0) return action;
    }
    return 'post';
  }

  #pick<T>(list: readonly T[]): T | undefined {
    return list[Math.floor(this.#random() * list.length)];
  }

  #join(room: string): ModelViewer {
    return new ModelViewer(this, room, this.#pick(CODECS), Math.floor(this.#random() * 4));
  }

  /** What may break off when the server is killed. */
  #ask(asking: Promise<void>): void {
    const asked = asking
      .catch((error: unknown) => {
        // fetch throws a TypeError when the link breaks, JSON a SyntaxError for half an answer: neither answers anything.
        if (!(error instanceof TypeError || error instanceof SyntaxError)) this.faults.push(String(error));
      })
      .finally(() => this.#asked.delete(asked));
    this.#asked.add(asked);
  }

  async #post(room: string, count: number, length = 100): Promise<void> {
    const texts = Array.from({ length: count }, () => {
      this.#said += 1;
      return `posted ${this.#said} `.padEnd(length, '弹幕');
    });
    const comments = texts.map((text) => ({ text }));
    const { body } = await this.server.post(room, comments, '?wait=stored');
    for (const [i, id] of (body.ids ?? []).entries()) if (id !== null) this.ack(room, id, texts[i] ?? '');
  }

  async #recall(number: number): Promise<void> {
    const key = [...this.#acked.keys()][Math.floor(number * this.#acked.size)];
    if (key === undefined) return;
    const [room, id] = key.split(' ');
    // It may be recalled although the answer is lost.
    this.#recalled.add(key);
    const { status } = await fetch(`${this.server.apiUrl}/rooms/${room}/comments/${id}`, { method: 'DELETE' });
    if (status === 204) this.counts.recalled += 1;
  }

  async #kill(): Promise<void> {
    await this.#readMetrics();
    this.server.child.kill('SIGKILL');
    const ended = await this.server.ended;
    if (ended !== 'SIGKILL') this.faults.push(`ended by ${ended}: ${this.server.stderr}`);
    this.counts.kills += 1;
    await Promise.all(this.#asked);
    this.server = await start(this.#args);
  }

  async #readMetrics(): Promise<void> {
    this.counts.ringWaits += await this.server.metric('volley_ring_waits_total');
    this.counts.shardRestarts += await this.server.metric('volley_shard_restarts_total');
  }

  /** All come back and read, until each has all that is kept for it. */
  async #finish(): Promise<void> {
    await Promise.all(this.#asked);
    for (const viewer of this.#viewers) viewer.return();
    await this.#starve();
    // A shard that was told to fail does so at its next push; and who missed the newest batch learns of it from the next.
    for (let i = 0; i < 3; i += 1) {
      for (const room of ROOMS) await this.#post(room, 1);
    }
    const wrong = await this.#settle();
    this.faults.push(...wrong, ...this.#viewers.flatMap(({ faults }) => faults));
    await this.#readMetrics();
    for (const viewer of this.#viewers) viewer.leave();
    const code = await this.server.stop();
    if (code !== 0) this.faults.push(`the last server ended with ${code}: ${this.server.stderr}`);
  }

  /** One viewer reads nothing until pushes to it are dropped, which by chance alone is rare. */
  async #starve(): Promise<void> {
    const viewer = new ModelViewer(this, 'busy', 'json', 0);
    this.#viewers.push(viewer);
    viewer.deafen();
    const dropped = (): Promise<number> => this.server.metric('volley_drops_total', 'reason="backpressure"');
    for (const before = await dropped(); (await dropped()) === before; ) await this.#post('busy', 100, 2_000);
    viewer.hearAgain();
  }

  /** What is wrong, once nothing is or a minute has passed. */
  async #settle(): Promise<string[]> {
    for (const end = Date.now() + 60_000; ; ) {
      const wrong = await this.#compare();
      if (wrong.length === 0 || Date.now() > end) return wrong;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }

  async #compare(): Promise<string[]> {
    const wrong: string[] = [];
    for (const room of ROOMS) {
      const kept = await readRoom(this.server, room);
      const texts = new Map(kept.map(({ id, text }) => [`${room} ${id}`, text]));
      for (const [key, text] of this.#acked) {
        const isKept = texts.get(key) === text || (this.#recalled.has(key) && !texts.has(key));
        if (key.startsWith(`${room} `) && !isKept) wrong.push(`${key} is ${texts.get(key)}, acknowledged was ${text}`);
      }
      for (const viewer of this.#viewers) if (viewer.room === room) wrong.push(...compareLists(viewer, kept));
    }
    return wrong;
  }
}

function start(args: readonly string[]): Promise<ServerProcess> {
  return startProcess(args, { entry: 'src/testing/faulty-server.js' });
}

function compareLists(viewer: ModelViewer, kept: readonly { id: string; text: string }[]): string[] {
  const { start = Number.POSITIVE_INFINITY, gaps, heard, room } = viewer;
  const due = kept.filter(({ id }) => {
    const seq = Number.parseInt(id, 10);
    return seq > start && !gaps.some(({ from, to }) => seq >= from && seq <= to);
  });
  const list = [...heard];
  const at = due.findIndex(({ id, text }, i) => list[i]?.[0] !== id || list[i]?.[1] !== text);
  if (at === -1 && due.length === list.length) return [];
  return [`a viewer of ${room} after ${start} heard ${list.length} of ${due.length}: ${list[at]}, not ${due[at]?.id}`];
}
