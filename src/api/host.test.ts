import type { AddressInfo } from 'node:net';
import type { FastifyInstance, InjectOptions } from 'fastify';
import { afterEach, describe, expect, it } from 'vitest';
import { FakeStore } from '../store/store-fake.fixture.ts';
import { createApi, expectProblem } from './app.fixture.ts';
import type { HostOptions } from './app.ts';

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
