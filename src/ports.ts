import { type AddressInfo, createServer } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { VolleyError } from './codes.ts';
import type { Settings } from './settings.ts';

/** What binding fails with when the host is none of this machine's, EINVAL for a link-local one without its link. */
const NOT_AN_ADDRESS: readonly string[] = ['EADDRNOTAVAIL', 'ENOTFOUND', 'EAI_AGAIN', 'EINVAL', 'EAFNOSUPPORT'];

/** A port that is held until the shards listen on it. */
export interface HeldPort {
  readonly port: number;
  release(): Promise<void>;
}

/**
 * Finds the viewers' port and holds it. SO_REUSEPORT would let the shards share a port with another server unnoticed, so it
 * is bound once without that. To be released before the shards start, and not before the API has its port.
 * @throws VolleyError PORT_IN_USE
 */
export async function holdViewersPort({
  port,
  apiPort,
  host,
}: Pick<Settings, 'port' | 'apiPort' | 'host'>): Promise<HeldPort> {
  if (port === apiPort && port !== 0) {
    const detail = `--port and --api-port cannot both be ${port}: allowed are two ports, one for viewers and one for the API`;
    throw new VolleyError('PORT_IN_USE', detail);
  }
  // Viewers that come back already would keep it from being released.
  const probe = createServer((socket) => socket.destroy());
  try {
    await new Promise<void>((resolve, reject) => {
      probe.once('error', reject);
      probe.listen({ port, host, exclusive: true }, resolve);
    });
  } catch (error) {
    throw portFault('--port', port, host, error);
  }
  return {
    port: (probe.address() as AddressInfo).port,
    release: () => new Promise((resolve) => probe.close(() => resolve())),
  };
}

/**
 * Opens the API's port, and gives it.
 * @throws VolleyError PORT_IN_USE
 */
export async function openApi(
  api: FastifyInstance,
  { apiPort, host }: Pick<Settings, 'apiPort' | 'host'>,
): Promise<number> {
  try {
    await api.listen({ port: apiPort, host });
  } catch (error) {
    throw portFault('--api-port', apiPort, host, error);
  }
  return (api.server.address() as AddressInfo).port;
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
