import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { brotliCompressSync, brotliDecompressSync, gunzipSync, gzipSync } from 'node:zlib';
import Fastify, { type FastifyInstance, type LightMyRequestResponse } from 'fastify';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { servePages } from './pages.ts';

const TEXT = 'console.log("弹幕");\n'.repeat(200);
const PAGE = '<h1>live</h1>'.repeat(100);

describe('the pages, compressed', () => {
  let folder: string;
  let app: FastifyInstance;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'volley-pages-'));
    for (const [name, text] of Object.entries({ 'live.html': PAGE, 'live.js': TEXT })) {
      await writeFile(join(folder, name), text);
      await writeFile(join(folder, `${name}.br`), brotliCompressSync(text));
      await writeFile(join(folder, `${name}.gz`), gzipSync(text));
    }
    await writeFile(join(folder, 'live.js.map'), '{}');
    app = Fastify();
    const settings = { publicUrl: '', port: 9_000, maxText: 200, viewerNames: true, heartbeat: 15_000 };
    await servePages(app, { folder, logger: pino({ enabled: false }), settings });
  });

  afterEach(async () => {
    await app.close();
    await rm(folder, { recursive: true });
  });

  function get(url: string, accepted?: string, headers: Record<string, string> = {}): Promise<LightMyRequestResponse> {
    return app.inject({
      url,
      headers: { ...headers, ...(accepted === undefined ? {} : { 'accept-encoding': accepted }) },
    });
  }

  it.each([
    ['gzip, deflate', 'gzip'],
    ['gzip, deflate, br, zstd', 'br'],
    ['GZIP;q=0.5, br;q=0.1', 'gzip'],
    ['br;q=0, gzip', 'gzip'],
    [' gzip ;q=1.000', 'gzip'],
  ])('come to who takes %j as %s', async (accepted, encoding) => {
    for (const [url, text] of [
      ['/', PAGE],
      ['/live.js', TEXT],
    ] as const) {
      const answer = await get(url, accepted);
      expect(answer.statusCode).toBe(200);
      expect(answer.headers).toMatchObject({ 'content-encoding': encoding, vary: 'accept-encoding' });
      expect(answer.headers['content-type']).toMatch(url === '/' ? /^text\/html; charset=utf-8$/i : /javascript/);
      expect(Number(answer.headers['content-length'])).toBe(answer.rawPayload.length);
      const unpack = encoding === 'br' ? brotliDecompressSync : gunzipSync;
      expect(unpack(answer.rawPayload).toString()).toBe(text);
    }
    const page = await get('/', accepted);
    expect(page.headers['content-security-policy']).toContain("default-src 'none'");
    expect(page.headers['x-content-type-options']).toBe('nosniff');
  });

  it.each([
    undefined,
    '',
    'identity',
    'deflate, zstd',
    'gzip;q=0',
    'gzip;q=0.000, br;q=0',
    '*;q=0',
    '*',
    'gzip;q=0, br;q=0, *',
    'gzip;q=0, *;q=0.5, br;q=0',
    'gzip;q=x, br;q=-1',
    'x-gzip-not, brr, gzip2',
    '__proto__, constructor',
    ',;,;=,q=,;;',
    `${'a,'.repeat(7_000)}`,
    `gz${'i'.repeat(14_000)}p`,
    `${'*'.repeat(14_000)}`,
  ])('come as they are to who says %j', async (accepted) => {
    const answer = await get('/live.js', accepted);
    expect(answer.statusCode).toBe(200);
    expect(answer.headers['content-encoding']).toBeUndefined();
    expect(answer.headers.vary).toBe('accept-encoding');
    expect(answer.body).toBe(TEXT);
  });

  it('have an ETag for each way of writing them, and 304 for it alone', async () => {
    const ways = ['identity', 'gzip', 'br'];
    const tags = await Promise.all(ways.map(async (way) => String((await get('/live.js', way)).headers.etag)));
    expect(new Set(tags).size).toBe(3);
    for (const [i, way] of ways.entries()) {
      const statuses = tags.map(async (tag) => (await get('/live.js', way, { 'if-none-match': tag })).statusCode);
      expect(await Promise.all(statuses)).toEqual(ways.map((_, other) => (other === i ? 304 : 200)));
    }
    const again = await get('/live.js', 'gzip', { 'if-none-match': tags[1] ?? '' });
    expect(again.headers).toMatchObject({ etag: tags[1], vary: 'accept-encoding' });
  });

  it('are not found under the names of the compressed files', async () => {
    for (const path of ['/live.js.gz', '/live.js.br', '/live.html.gz'])
      expect((await get(path, 'gzip')).statusCode, path).toBe(404);
  });

  it('come as they are where the build compressed nothing', async () => {
    const answer = await get('/live.js.map', 'br, gzip');
    expect(answer.body).toBe('{}');
    expect(answer.headers['content-encoding']).toBeUndefined();
  });

  it('answer HEAD with the length of what GET would send', async () => {
    const { headers, rawPayload } = await app.inject({
      method: 'HEAD',
      url: '/live.js',
      headers: { 'accept-encoding': 'gzip' },
    });
    expect(rawPayload.length).toBe(0);
    expect(headers['content-length']).toBe(String(gzipSync(TEXT).length));
    expect(headers['content-encoding']).toBe('gzip');
  });
});
