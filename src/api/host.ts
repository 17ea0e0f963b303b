import { isIP, isIPv6 } from 'node:net';
import type { FastifyInstance } from 'fastify';
import type { Logger } from 'pino';
import { countRefused, type MainCounters } from '../counters.ts';
import { sendRefusal } from '../problem.ts';

/** By what names the API may be called, beside those that are nobody's in public; and who hears of others. */
export interface HostOptions {
  readonly counters: MainCounters;
  readonly logger: Logger;
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
export function guardHost(app: FastifyInstance, options: HostOptions): void {
  const { counters, logger, host = '', publicUrl = '', corsOrigins } = options;
  if (corsOrigins.includes('*')) return;
  const urls = publicUrl === '' ? corsOrigins : [publicUrl, ...corsOrigins];
  const known = new Set([host.toLowerCase(), ...urls.map((url) => new URL(url).hostname)]);
  let port = -1;
  let isSaid = false;

  app.addHook('onListen', async () => {
    const bound = app.server.address();
    if (typeof bound === 'object' && bound !== null && isLoopback(bound.address)) port = bound.port;
  });
  app.addHook('onRequest', async (request, reply) => {
    const [, name = '', given] = /^(.*):(\d{1,5})$/.exec(request.headers.host?.toLowerCase() ?? '') ?? [];
    if (given === undefined || Number(given) !== port || isOwn(name) || known.has(name.replace(/\.$/, ''))) return;
    countRefused(counters, 'HOST_UNKNOWN');
    if (!isSaid) logger.warn({ host: request.headers.host }, 'refused a host name that is not known, and will again');
    isSaid = true;
    return sendRefusal(reply, { code: 'HOST_UNKNOWN' });
  });
}

function isLoopback(address: string): boolean {
  return address === '::1' || address.replace(/^::ffff:/, '').startsWith('127.');
}

/** Addresses, and names that nobody can have in public: without a dot, or below a domain that is kept for private use. */
function isOwn(name: string): boolean {
  const bare = name.replace(/\.$/, '');
  if (isIP(name) !== 0 || isIPv6(name.slice(1, -1))) return true;
  return /^[a-z0-9_-]+$/.test(bare) || /\.(localhost|localdomain|internal)$/.test(bare);
}
