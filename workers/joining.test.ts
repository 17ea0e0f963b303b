/** Joins, resumes and leaves against commits, between real threads: nobody sees a gap or a batch twice. */
import { setTimeout as sleep } from 'node:timers/promises';
import { BroadcastChannel } from 'node:worker_threads';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { compiledFile } from '../src/compiled-file.ts';
import { type Server, startServer } from '../src/server.ts';
import { SETTINGS, type Settings } from '../src/settings.ts';
import { draftOf } from '../src/testing/rooms.ts';
import {
  IDLE_SHARD,
  type JoiningFault,
  type JoiningOrder,
  type JoiningReport,
  ORDER_CHANNEL,
  REPORT_CHANNEL,
  ROOMS,
  SHARDS,
} from './joining-orders.fixture.ts';

const DEADLINE_MS = 20_000;
/** What each shard must have had before one fails, and again before the end. */
const ENOUGH = 150;
const TURNS_A_LOOK = 100;

const orders = new BroadcastChannel(ORDER_CHANNEL);
let reports: Reports;
let server: Server | undefined;

beforeEach(() => {
  reports = new Reports();
});

afterEach(async () => {
  await server?.stop();
  orders.close();
  reports.close();
});

function order(given: JoiningOrder): void {
  orders.postMessage(given);
}

/** What the shards answer to the newest order to report, and what viewers saw that they should not have. */
class Reports {
  readonly faults: string[] = [];
  readonly #channel = new BroadcastChannel(REPORT_CHANNEL);
  readonly #newest = new Map<number, JoiningReport>();
  #number = 0;

  constructor() {
    this.#channel.onmessage = (event) => {
      const { data } = event as { data: JoiningReport | JoiningFault };
      if ('fault' in data) this.faults.push(data.fault);
      else if (data.number === this.#number) this.#newest.set(data.shard, data);
    };
  }

  /** Whether every shard that viewers join has told of more than `count` joins, batches and entries. */
  have(count: number): boolean {
    const busy = [...this.#newest.values()].filter(({ shard }) => shard !== IDLE_SHARD);
    return (
      busy.length === SHARDS - 1 &&
      busy.every(({ joined, batches, entries }) => Math.min(joined, batches, entries) > count)
    );
  }

  get text(): string {
    return JSON.stringify([...this.#newest.values()]);
  }

  /** Forgets what was told, and asks every shard again. */
  ask({ rooms }: Server): void {
    this.#newest.clear();
    this.#number += 1;
    order({ do: 'report', number: this.#number, seqs: new Map([...rooms.all()].map(({ name, seq }) => [name, seq])) });
  }

  /** Asks again and again until every viewer of every shard has seen the newest batch of its room. */
  async caughtUp(server: Server): Promise<readonly JoiningReport[]> {
    const deadline = Date.now() + DEADLINE_MS;
    while (this.#newest.size < SHARDS || [...this.#newest.values()].some(({ behind }) => behind > 0)) {
      if (Date.now() > deadline) throw new Error(`still behind: ${this.text}`);
      this.ask(server);
      await sleep(50);
    }
    return [...this.#newest.values()];
  }

  close(): void {
    this.#channel.close();
  }
}

async function restarts({ apiUrl }: Server): Promise<number> {
  const page = await (await fetch(`${apiUrl}/metrics`)).text();
  return Number(/^volley_shard_restarts_total (\d+)/m.exec(page)?.[1]);
}

it('viewers that join, resume and leave while their rooms push see every batch once, though shards fail and one is never woken', async () => {
  const settings = Object.fromEntries(SETTINGS.map(({ name, fallback }) => [name, fallback])) as unknown as Settings;
  const small = { workers: SHARDS, interval: 10, maxBatch: 1, maxText: 1, ringSize: 20_000, store: 'memory' };
  const running = await startServer({ ...settings, ...small, port: 0, apiPort: 0 }, pino({ level: 'silent' }), {
    shardFile: compiledFile('workers/joining-shard.fixture.js'),
  });
  server = running;
  const failing = [0, 2];
  let failed = 0;
  /** Whether the shards that were asked last were those that run now. */
  let isNew = false;
  const deadline = Date.now() + DEADLINE_MS;
  for (let turn = 1; ; turn += 1) {
    for (const room of ROOMS) if (Math.random() < 0.5) running.rooms.offer(room, draftOf('x'), null, 0);
    await sleep(1);
    if (turn % TURNS_A_LOOK !== 0) continue;
    if (Date.now() > deadline) throw new Error(`too little has happened: ${reports.text}`);
    const isEnough = isNew && reports.have(ENOUGH);
    isNew = (await restarts(running)) === failed;
    reports.ask(running);
    if (!isEnough) continue;
    const shard = failing.pop();
    if (shard === undefined) break;
    // The counts of its next generation begin anew.
    order({ do: 'throw', shard });
    failed += 1;
    isNew = false;
  }
  order({ do: 'still' });
  const last = await reports.caughtUp(running);
  expect(reports.faults).toEqual([]);
  expect(await restarts(running)).toBe(2);
  for (const { shard, joined, batches, entries } of last) {
    if (shard === IDLE_SHARD) expect([joined, batches, entries]).toEqual([0, 0, 0]);
    else expect(Math.min(joined, batches, entries)).toBeGreaterThan(ENOUGH);
  }
}, 60_000);
