import { type AddressInfo, createServer, type Server } from 'node:net';
import { fastify } from 'fastify';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { holdViewersPort, openApi } from './ports.ts';

const FREE = { port: 0, apiPort: 0, host: '127.0.0.1' };

/** Takes ports for an API, and gives them back. */
async function take(wanted: Partial<typeof FREE>): Promise<{ viewers: number; api: number }> {
  const settings = { ...FREE, ...wanted };
  const api = fastify();
  const viewers = await holdViewersPort(settings);
  try {
    return { viewers: viewers.port, api: await openApi(api, settings) };
  } finally {
    await viewers.release();
    await api.close();
  }
}

describe('a port', () => {
  let stranger: Server;
  let taken = 0;

  beforeAll(async () => {
    stranger = createServer();
    await new Promise<void>((resolve) => stranger.listen(0, FREE.host, resolve));
    taken = (stranger.address() as AddressInfo).port;
  });

  afterAll(() => stranger.close());

  it('that is free is taken, another for each', async () => {
    const { viewers, api } = await take({});
    expect([viewers > 0, api > 0, viewers === api]).toEqual([true, true, false]);
  });

  it.each([
    ['--port', 'port'],
    ['--api-port', 'apiPort'],
  ])('that a stranger has is told of %s', async (flag, name) => {
    await expect(take({ [name]: taken })).rejects.toMatchObject({
      code: 'PORT_IN_USE',
      message: `${flag} cannot be ${taken}: allowed is a free port of 127.0.0.1, and something listens there already`,
    });
  });

  it('for both is said as such', async () => {
    await expect(take({ port: 9999, apiPort: 9999 })).rejects.toMatchObject({
      code: 'PORT_IN_USE',
      message: '--port and --api-port cannot both be 9999: allowed are two ports, one for viewers and one for the API',
    });
  });

  it.each([
    ['of another machine', '192.0.2.1'],
    ['that is nobody’s', '0.0.0.1.2'],
    ['of a link without its interface', 'fe80::1'],
  ])('of a host %s is not to be had', async (_what, host) => {
    await expect(take({ host })).rejects.toMatchObject({
      code: 'PORT_IN_USE',
      message: `--host cannot be ${host}: allowed is an address of this machine`,
    });
  });
});
