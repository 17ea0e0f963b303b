import type { LightMyRequestResponse } from 'fastify';
import { expect } from 'vitest';
import { createApi, type HttpRig } from '../api/app.fixture.ts';
import { FakeClock } from '../clock.fixture.ts';
import type { RefusalCode } from '../codes.ts';
import { MemoryStore } from '../store/store-memory.ts';

/** A comment as DPlayer reads it. */
export type DplayerRow = [time: number, type: number, color: number, author: string, text: string];

/** What the form of a stock DPlayer sends. */
export const SENT = { id: 'lobby', author: 'DIYgod', time: 12.3456, text: 'hi', color: 0xff0000, type: 1 };

export const PATH = '/dplayer/v3/';

/** The API over a store in memory. */
export function createMemoryApi(options: Parameters<typeof createApi>[1] = {}): Promise<HttpRig<MemoryStore>> {
  return createApi(new MemoryStore({ comments: 100_000, bytes: 1e9, age: 1e9, clock: new FakeClock(0) }), options);
}

/** What DPlayer makes of a good answer. */
export function rowsOf(answer: LightMyRequestResponse): DplayerRow[] {
  expect(answer.statusCode).toBe(200);
  expect(answer.headers['content-type']).toMatch(/^application\/json\b/);
  const { code, data } = answer.json<{ code: number; data: DplayerRow[] }>();
  expect(code).toBe(0);
  return data;
}

/** Checks that DPlayer gets a sentence to show. */
export function expectRefused(answer: LightMyRequestResponse, code: RefusalCode): void {
  expect(answer.statusCode).toBe(200);
  expect(answer.headers['content-type']).toMatch(/^application\/json\b/);
  expect(answer.json()).toEqual({ code: 1, msg: expect.stringMatching(/^[^{}]{8,120}$/), error: code });
}
