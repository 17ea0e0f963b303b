import { type AddressInfo, connect } from 'node:net';
import type { FastifyInstance, InjectOptions, LightMyRequestResponse } from 'fastify';
import { afterEach, describe, expect, it } from 'vitest';
import type { RefusalCode } from '../codes.ts';
import { FakeStore } from '../testing/store-fake.ts';
import { createApi, expectProblem } from './app.fixture.ts';
import type { HostOptions } from './app.ts';

const METHODS = ['PUT', 'PATCH', 'DELETE', 'POST'] as const;

describe('the HTTP API', () => {
  it.each(['/', '/nothing', '/rooms/lobby/other', '/rooms/lobby/comments/1/x', '/Rooms', '/rooms/lobby/comments/'])(
    'has nothing at %s',
    async (path) => {
      const { get } = await createApi(new FakeStore());
      expectProblem(await get(path), 'NOT_FOUND');
    },
  );

  it.each(METHODS)('says which methods a path takes that does not take %s', async (method) => {
    const { app, rooms } = await createApi(new FakeStore(), { corsOrigins: ['https://a.example'] });
    const allowed = {
      '/rooms': 'GET, HEAD',
      '/rooms/lobby?x=1': 'GET, HEAD',
      '/healthz': 'GET, HEAD',
      '/metrics': 'GET, HEAD',
      ...(method === 'POST' ? {} : { '/rooms/lobby/comments': 'POST, GET, HEAD' }),
      ...(method === 'DELETE' ? {} : { '/rooms/lobby/comments/1.0': 'DELETE' }),
    };
    for (const [url, allow] of Object.entries(allowed)) {
      for (const body of [
        {},
        { payload: { text: 'x' } },
        { payload: 'x', headers: { 'content-type': 'text/plain' } },
      ]) {
        const answer = await app.inject({ method, url, ...body });
        expectProblem(answer, 'METHOD_NOT_ALLOWED');
        expect(answer.headers.allow).toBe(allow);
      }
    }
    expect(rooms.size).toBe(0);
  });

  it('says that it is alive', async () => {
    const { get } = await createApi(new FakeStore());
    const answer = await get('/healthz');
    expect([answer.statusCode, answer.json()]).toEqual([200, { status: 'ok' }]);
  });

  it('refuses all but the health checks until the store is open', async () => {
    let open = false;
    const { get, post } = await createApi(new FakeStore(), { isOpen: () => open });
    for (const path of ['/rooms', '/rooms/lobby', '/rooms/lobby/comments', '/metrics', '/nothing']) {
      expectProblem(await get(path), 'NOT_READY');
    }
    expectProblem(await post('/rooms/lobby/comments', { text: 'x' }), 'NOT_READY');
    expect((await get('/healthz')).statusCode).toBe(200);
    open = true;
    expect((await get('/rooms')).statusCode).toBe(200);
  });

  it('is ready when the shards are', async () => {
    let reason: RefusalCode | null = 'NOT_READY';
    const { get } = await createApi(new FakeStore(), { notReady: () => reason });
    expectProblem(await get('/readyz'), 'NOT_READY');
    reason = 'SHUTTING_DOWN';
    expectProblem(await get('/readyz'), 'SHUTTING_DOWN');
    reason = null;
    const answer = await get('/readyz');
    expect([answer.statusCode, answer.json()]).toEqual([200, { status: 'ready' }]);
  });

  it('gives the metrics in their own media type', async () => {
    const contentType = 'text/plain; version=0.0.4; charset=utf-8';
    const { get } = await createApi(new FakeStore(), { metrics: { contentType, read: async () => 'volley_x 1\n' } });
    const answer = await get('/metrics');
    expect([answer.statusCode, answer.headers['content-type'], answer.body]).toEqual([
      200,
      contentType,
      'volley_x 1\n',
    ]);
  });

  it('answers a fault of its own 500, logs it and tells nobody what it was', async () => {
    const read = (): Promise<string> => Promise.reject(new Error('secret path'));
    const { get, logged, counters } = await createApi(new FakeStore(), {
      metrics: { contentType: 'text/plain', read },
    });
    const answer = await get('/metrics');
    expectProblem(answer, 'INTERNAL');
    expect(answer.body).not.toContain('secret');
    expect(logged).toHaveLength(1);
    expect(logged[0]).toContain('secret path');
    expect(counters.refused.get('INTERNAL')).toBe(1);
  });

  it('counts what it refuses by code', async () => {
    const { post, counters } = await createApi(new FakeStore(), { maxBody: 100 });
    await post('/rooms/lobby/comments', '{');
    await post('/rooms/lobby/comments', 'x'.repeat(101));
    await post('/rooms/lobby/comments', 'x', { 'content-type': 'text/plain' });
    await post('/rooms/a+b/comments', { text: 'x' });
    await post('/rooms/lobby/comments', [{ text: '' }, { text: '' }]);
    expect(Object.fromEntries(counters.refused)).toEqual({
      NOT_JSON: 1,
      TOO_LARGE: 1,
      UNSUPPORTED_MEDIA_TYPE: 1,
      ROOM_NAME_INVALID: 1,
      TEXT_INVALID: 2,
    });
  });
});

describe('web pages of other origins', () => {
  const origin = 'https://example.org';

  it('may use the API only where a setting names them', async () => {
    const { app } = await createApi(new FakeStore(), { corsOrigins: [origin, 'http://localhost:3000'] });
    const allowed = async (from: string): Promise<unknown> => {
      const answer = await app.inject({ url: '/rooms', headers: { origin: from } });
      return answer.headers['access-control-allow-origin'];
    };
    expect(await allowed(origin)).toBe(origin);
    expect(await allowed('http://localhost:3000')).toBe('http://localhost:3000');
    expect(await allowed('https://example.org.evil.example')).toBeUndefined();
    expect(await allowed('http://example.org')).toBeUndefined();
  });

  it('may not use it by default', async () => {
    const { app } = await createApi(new FakeStore());
    const answer = await app.inject({ url: '/rooms', headers: { origin } });
    expect(answer.headers).not.toHaveProperty('access-control-allow-origin');
    const preflight = await app.inject({ method: 'OPTIONS', url: '/rooms/lobby/comments', headers: { origin } });
    expectProblem(preflight, 'METHOD_NOT_ALLOWED');
  });

  it('may all use it with *, and read why they were refused', async () => {
    const { app, post } = await createApi(new FakeStore(), { corsOrigins: ['*'] });
    const headers = {
      origin,
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'content-type',
    };
    const preflight = await app.inject({ method: 'OPTIONS', url: '/rooms/lobby/comments', headers });
    expect(preflight.statusCode).toBe(204);
    expect(preflight.headers['access-control-allow-origin']).toBe('*');
    const refused = await post('/rooms/lobby/comments', '{', { origin, 'content-type': 'application/json' });
    expectProblem(refused, 'NOT_JSON');
    expect(refused.headers['access-control-allow-origin']).toBe('*');
  });

  it.each([[[origin]], [['*']]])('are told of every error as of a success, where %j is named', async (corsOrigins) => {
    const { app } = await createApi(new FakeStore(), { corsOrigins, maxBody: 1_000, host: '127.0.0.1' });
    await app.listen({ port: 0, host: '127.0.0.1' });
    const { port } = app.server.address() as AddressInfo;
    const json = { origin, 'content-type': 'application/json' };
    const comments = { method: 'POST', url: '/rooms/lobby/comments' } as const;
    const success = await app.inject({ url: '/healthz', headers: { origin } });
    const errors: [status: number, request: InjectOptions][] = [
      [404, { url: '/nothing' }],
      [404, { url: '/rooms/a%20b' }],
      [404, { url: '/rooms/%ff' }],
      [404, { url: '/rooms/%' }],
      [404, { url: `/rooms/${'x'.repeat(10_000)}` }],
      [400, { ...comments, payload: '{', headers: json }],
      [413, { ...comments, payload: `"${'x'.repeat(2_000)}"`, headers: json }],
      [415, { ...comments, payload: 'x', headers: { origin, 'content-type': 'text/plain' } }],
    ];
    if (corsOrigins[0] !== '*')
      errors.push([421, { headers: { origin, host: `evil.example:${port}` }, url: '/healthz' }]);
    const corsOf = ({ headers }: Pick<LightMyRequestResponse, 'headers'>): unknown =>
      ['access-control-allow-origin', 'vary'].map((name) => headers[name]);
    for (const [status, request] of errors) {
      const answer = await app.inject({ headers: { origin }, ...request });
      expect([answer.statusCode, corsOf(answer)], JSON.stringify(request).slice(0, 80)).toEqual([
        status,
        corsOf(success),
      ]);
    }
    const raw = await rawAnswer(port, `GET / HTTP/1.1\r\nHost: localhost\r\nOrigin: ${origin}\r\nbad header\r\n\r\n`);
    expect(raw).toMatch(/^HTTP\/1\.1 400 /);
    expect(raw).toContain(`\r\nAccess-Control-Allow-Origin: ${corsOrigins[0]}\r\n`);
    await app.close();
  });
});

/** All that comes back for `request` until the server closes the connection. */
async function rawAnswer(port: number, request: string): Promise<string> {
  const socket = connect(port, '127.0.0.1').setEncoding('latin1');
  socket.write(request);
  let answer = '';
  for await (const text of socket) answer += text;
  return answer;
}

describe('the API, called by a host name', () => {
  let app: FastifyInstance | undefined;
  let rig: Awaited<ReturnType<typeof createApi>>;

  afterEach(() => app?.close());

  /** Gives what the API says to the `Host` header that `write` makes of its port. */
  async function ask(
    write: (port: number) => string,
    { bind = '127.0.0.1', ...options }: Partial<HostOptions> & { bind?: string } = {},
    request: InjectOptions = { url: '/rooms' },
  ) {
    rig = await createApi(new FakeStore(), { host: bind, ...options });
    app = rig.app;
    await app.listen({ port: 0, host: bind });
    const { port } = app.server.address() as AddressInfo;
    return app.inject({ ...request, headers: { host: write(port) } });
  }

  it.each([
    'evil.example',
    'EVIL.example.',
    'localhost.evil.example',
    '127.0.0.1.evil.example',
    'evil.localhost.example',
    'evil-internal.example',
    'a b',
    '[evil.example]',
    'evil.example:80',
    '',
  ])('refuses %j with its own port: a page’s name that was made to point here', async (name) => {
    expectProblem(await ask((port) => `${name}:${port}`), 'HOST_UNKNOWN');
  });

  it.each([
    '127.0.0.1',
    'localhost',
    'LocalHost.',
    'volley.localhost',
    '[::1]',
    '192.168.1.7',
    'ip6-localhost',
    'localhost.localdomain',
    'Studio-3',
    'host.docker.internal',
  ])('answers %j', async (name) => {
    expect((await ask((port) => `${name}:${port}`)).statusCode).toBe(200);
  });

  it('answers a proxy, which hands on a name with its own port or none', async () => {
    for (const host of ['volley.example', 'volley.example:443', 'volley.example:9', ''])
      expect((await ask(() => host)).statusCode, host).toBe(200);
  });

  it('answers the names of --host, --public-url and --cors-origins', async () => {
    const options = {
      host: 'Dev.test',
      publicUrl: 'wss://live.example/volley',
      corsOrigins: ['http://shop.example:3000'],
    };
    for (const name of ['dev.test', 'live.example', 'shop.example'])
      expect((await ask((port) => `${name}:${port}`, options)).statusCode, name).toBe(200);
    expectProblem(await ask((port) => `evil.example:${port}`, options), 'HOST_UNKNOWN');
  });

  it('answers every name where every page may use it, or other machines may reach it', async () => {
    expect((await ask((port) => `evil.example:${port}`, { corsOrigins: ['*'] })).statusCode).toBe(200);
    expect((await ask((port) => `evil.example:${port}`, { bind: '0.0.0.0' })).statusCode).toBe(200);
    expect((await ask(() => 'evil.example:0', { bind: '0.0.0.0' })).statusCode).toBe(200);
  });

  it('counts what it refuses, and logs the first', async () => {
    await ask((port) => `evil.example:${port}`);
    const { port } = rig.app.server.address() as AddressInfo;
    await rig.app.inject({ url: '/healthz', headers: { host: `worse.example:${port}` } });
    expect(rig.counters.refused.get('HOST_UNKNOWN')).toBe(2);
    expect(rig.logged.length).toBe(1);
    expect(JSON.parse(rig.logged[0] ?? '')).toMatchObject({ level: 40, host: `evil.example:${port}` });
  });

  it('refuses posts too, before they are read', async () => {
    const post = { method: 'POST', url: '/rooms/lobby/comments', payload: 'x'.repeat(2_000_000) } as const;
    expectProblem(await ask((port) => `evil.example:${port}`, {}, post), 'HOST_UNKNOWN');
  });
});
