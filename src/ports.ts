import { type AddressInfo, createServer } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { VolleyError } from './codes.ts';
import type { Settings } from './settings.ts';

/** What binding fails with when the host is none of this machine's, EINVAL for a link-local one without its link. */
const NOT_AN_ADDRESS: readonly string[] = ['EADDRNOTAVAIL', 'ENOTFOUND', 'EAI_AGAIN', 'EINVAL', 'EAFNOSUPPORT'];

/**
 * Finds the viewers' port and opens the API's. SO_REUSEPORT would let the shards share a port with another server
 * unnoticed, so the viewers' port is first bound once without it, and held while the API's is taken.
 * @throws VolleyError PORT_IN_USE
 */
export async function takePorts(
  settings: Pick<Settings, 'port' | 'apiPort' | 'host'>,
  api: FastifyInstance,
): Promise<{ viewers: number; api: number }> {
  const { port, apiPort } = settings;
  if (port === apiPort && port !== 0) {
    const detail = `--port and --api-port cannot both be ${port}: allowed are two ports, one for viewers and one for the API`;
    throw new VolleyError('PORT_IN_USE', detail);
  }
  const probe = createServer();
  try {
    await new Promise<void>((resolve, reject) => {
      probe.once('error', reject);
      probe.listen({ port: settings.port, host: settings.host, exclusive: true }, resolve);
    });
  } catch (error) {
    throw portFault('--port', settings.port, settings.host, error);
  }
  const viewers = (probe.address() as AddressInfo).port;
  try {
    await api.listen({ port: settings.apiPort, host: settings.host });
  } catch (error) {
    throw portFault('--api-port', settings.apiPort, settings.host, error);
  } finally {
    await new Promise((resolve) => probe.close(resolve));
  }
  return { viewers, api: (api.server.address() as AddressInfo).port };
}

function portFault(flag: string, port: number, host: string, error: unknown): unknown {
  const code = (error as NodeJS.ErrnoException).code ?? '';
  if (code === 'EADDRINUSE' || code === 'EACCES') {
    const why = code === 'EACCES' ? 'this user may not bind it' : 'something listens there already';
    const detail = `${flag} cannot be ${port}: allowed is a free port of ${host}, and ${why}`;
    return new VolleyError('PORT_IN_USE', detail, { cause: error });
  }
  if (NOT_AN_ADDRESS.includes(code)) {
    const detail = `--host cannot be ${host}: allowed is an address of this machine`;
    return new VolleyError('PORT_IN_USE', detail, { cause: error });
  }
  return error;
}

/** A host as it stands in a URL. */
export function urlHost(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}
