import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { brotliCompressSync, brotliDecompressSync, gunzipSync, gzipSync } from 'node:zlib';
import Fastify, { type FastifyInstance, type LightMyRequestResponse } from 'fastify';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type PageSettings, servePages } from './pages.ts';

const SETTINGS: PageSettings = { publicUrl: '', port: 9_000, maxText: 200, viewerNames: true, heartbeat: 15_000 };

describe('the pages', () => {
  let folder: string;
  let app: FastifyInstance | undefined;
  let logged: string[];

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'volley-pages-'));
    logged = [];
  });

  afterEach(async () => {
    await app?.close();
    app = undefined;
    await rm(folder, { recursive: true });
  });

  /** An app that serves the pages of a small build. */
  async function build(settings: Partial<PageSettings> = {}): Promise<FastifyInstance> {
    const files = {
      'live.html': '<h1>live</h1>',
      'dashboard.html': '<h1>board</h1>',
      'live.js': 'x()',
      'live.css': 'a{}',
    };
    for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
    return serve(settings);
  }

  async function serve(settings: Partial<PageSettings> = {}): Promise<FastifyInstance> {
    app = Fastify();
    const logger = pino({}, { write: (line: string) => logged.push(line) });
    await servePages(app, { folder, logger, settings: { ...SETTINGS, ...settings } });
    return app;
  }

  it('are found under their addresses, not under the names of their files', async () => {
    const site = await build();
    expect((await site.inject('/')).body).toBe('<h1>live</h1>');
    expect((await site.inject('/?room=a')).headers['content-type']).toMatch(/^text\/html; charset=utf-8$/i);
    expect((await site.inject('/dashboard')).body).toBe('<h1>board</h1>');
    expect((await site.inject('/live.html')).statusCode).toBe(404);
  });

  it('come with their scripts and styles, each with its media type, and with nothing else', async () => {
    await writeFile(join(folder, '.hidden.js'), 'no');
    await writeFile(join(folder, 'notes.md'), 'no');
    await mkdir(join(folder, 'folder.js'));
    const site = await build();
    expect((await site.inject('/live.js')).headers['content-type']).toMatch(/javascript/);
    expect((await site.inject('/live.css')).headers['content-type']).toMatch(/^text\/css/);
    for (const path of [
      '/.hidden.js',
      '/notes.md',
      '/folder.js',
      '/nothing.js',
      '/../package.json',
      '/%2e%2e/package.json',
    ])
      expect((await site.inject(path)).statusCode, path).toBe(404);
  });

  it('answer 304 to who has the file already, and revalidate always', async () => {
    const site = await build();
    for (const url of ['/', '/live.js']) {
      const first = await site.inject(url);
      const { etag, 'cache-control': caching } = first.headers;
      expect(etag, url).toBeTypeOf('string');
      expect(caching, url).toBe('public, max-age=0');
      const again = await site.inject({ url, headers: { 'if-none-match': String(etag) } });
      expect(again.statusCode, url).toBe(304);
    }
  });

  it('let the browser guess no types, tell no other site where they came from', async () => {
    const site = await build();
    for (const url of ['/', '/dashboard', '/live.js', '/page-settings.json']) {
      const { headers } = await site.inject(url);
      expect(headers['x-content-type-options'], url).toBe('nosniff');
      expect(headers['referrer-policy'], url).toBe('no-referrer');
    }
  });

  it('run own scripts only, and connect to the viewers on the host that the page came from', async () => {
    const site = await build();
    const policy = await policyOf(site, '/', 'stream.example:9001');
    expect(policy['default-src']).toEqual(["'none'"]);
    expect(policy['script-src']).toEqual(["'self'"]);
    expect(policy['style-src']).toEqual(["'self'"]);
    expect(policy['connect-src']).toEqual(["'self'", 'ws://stream.example:9000', 'http://stream.example:9000']);
    expect(policy['media-src']).toEqual(["'none'"]);
    const toAddress = await policyOf(site, '/', '[::1]:9001');
    expect(toAddress['connect-src']).toEqual(["'self'", 'ws://*:9000', 'http://*:9000']);
    expect((await policyOf(site, '/dashboard', 'stream.example'))['connect-src']).toEqual(["'self'"]);
  });

  it('connect to the public URL where there is one', async () => {
    const site = await build({ publicUrl: 'wss://live.example/volley' });
    const policy = await policyOf(site, '/', 'other.example');
    expect(policy['connect-src']).toEqual(["'self'", 'wss://live.example', 'https://live.example']);
  });

  it('take no words for their policy from a hostile Host header', async () => {
    const site = await build();
    for (const host of ["evil; script-src 'unsafe-inline'", 'a b', 'a,b', '*', 'a:1:2', '1.2.3.999', '[::g]'])
      expect((await policyOf(site, '/', host))['connect-src'], host).toEqual(["'self'"]);
  });

  it('may play what ?src= names, and fetch from elsewhere only then', async () => {
    const site = await build();
    const video = await policyOf(site, '/?src=https%3A%2F%2Fcdn.example%2Fa.mp4', 'h');
    expect(video['media-src']).toEqual(["'self'", 'http:', 'https:', 'blob:']);
    expect(video['connect-src']).toEqual(["'self'", 'ws://h:9000', 'http://h:9000', 'http:', 'https:']);
    expect(video['script-src']).toEqual(["'self'"]);
    for (const src of ['a%3B%20script-src%20*', 'x&src=y', ''])
      expect((await policyOf(site, `/?src=${src}`, 'h'))['script-src'], src).toEqual(["'self'"]);
  });

  it('learn where the viewers connect', async () => {
    const own = await (await build()).inject('/page-settings.json');
    expect(own.json()).toEqual({ viewerUrl: null, port: 9_000, maxText: 200, viewerNames: true, heartbeat: 15_000 });
    expect(own.headers['cache-control']).toBe('no-store');
    await app?.close();
    const site = await serve({ publicUrl: 'wss://live.example', maxText: 50 });
    expect((await site.inject('/page-settings.json')).json()).toEqual({
      viewerUrl: 'wss://live.example',
      port: 9_000,
      maxText: 50,
      viewerNames: true,
      heartbeat: 15_000,
    });
  });

  it('are told to come back while the port is not known', async () => {
    const answer = await (await build({ port: 0 })).inject('/page-settings.json');
    expect(answer.statusCode).toBe(503);
    expect(answer.json()).toMatchObject({ code: 'NOT_READY' });
  });

  it('are not there, and the log says why, where nothing was built', async () => {
    const site = await serve();
    expect((await site.inject('/')).statusCode).toBe(404);
    expect((await site.inject('/page-settings.json')).statusCode).toBe(200);
    expect(logged.join('')).toContain('the pages are not built');
  });
});

/** The directives of a page's Content-Security-Policy. */
async function policyOf(site: FastifyInstance, url: string, host: string): Promise<Record<string, string[]>> {
  const answer: LightMyRequestResponse = await site.inject({ url, headers: { host } });
  expect(answer.statusCode).toBe(200);
  const directives = String(answer.headers['content-security-policy']).split('; ');
  return Object.fromEntries(
    directives.map((directive) => {
      const [name = '', ...sources] = directive.split(' ');
      return [name, sources];
    }),
  );
}

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
