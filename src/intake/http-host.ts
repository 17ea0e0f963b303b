import { isIP, isIPv6 } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { sendRefusal } from './http-refusal.ts';

/** By what names the API may be called, beside addresses and localhost. */
export interface HostOptions {
  /** `--host`. */
  readonly host?: string;
  /** `--public-url`, '' for none. */
  readonly publicUrl?: string;
  readonly corsOrigins: readonly string[];
}

/**
 * Refuses with `HOST_UNKNOWN` what a page sends whose host name was made to point at this machine (DNS rebinding): for
 * its browser the API is the page's own origin. Only where the API is bound to a loopback address, and only names that
 * come with the API's own port: such a page cannot leave it out, and what a reverse proxy hands on from its own port
 * has none or another. On port 80 the two are alike, and nothing is refused.
 */
export function guardHost(app: FastifyInstance, { host = '', publicUrl = '', corsOrigins }: HostOptions): void {
  if (corsOrigins.includes('*')) return;
  const urls = publicUrl === '' ? corsOrigins : [publicUrl, ...corsOrigins];
  const known = new Set([host.toLowerCase(), ...urls.map((url) => new URL(url).hostname)]);
  let port = 0;

  app.addHook('onListen', async () => {
    const bound = app.server.address();
    if (typeof bound === 'object' && bound !== null && isLoopback(bound.address)) port = bound.port;
  });
  app.addHook('onRequest', async (request, reply) => {
    const [, name = '', given] = /^(.*):(\d{1,5})$/.exec(request.headers.host?.toLowerCase() ?? '') ?? [];
    if (given === undefined || Number(given) !== port || isOwn(name) || known.has(name)) return;
    return sendRefusal(reply, { code: 'HOST_UNKNOWN' });
  });
}

function isLoopback(address: string): boolean {
  return address === '::1' || address.replace(/^::ffff:/, '').startsWith('127.');
}

/** Addresses, and names that every browser takes for its own machine. */
function isOwn(name: string): boolean {
  const bare = name.replace(/\.$/, '');
  return bare === 'localhost' || bare.endsWith('.localhost') || isIP(name) !== 0 || isIPv6(name.slice(1, -1));
}
