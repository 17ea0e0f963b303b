/**
 * uWebSockets.js, from whichever package of it loads here. Its author publishes on GitHub only; two packages on the npm
 * registry carry its binaries, each for other systems. Nothing else imports any of them. The main thread does not load
 * this file: a shard tells it which package it has.
 */
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type * as Uws from 'uws-pack';
import { VolleyError } from '../src/codes.ts';
import { NO_BINARY } from '../src/shards/messages.ts';

export type {
  HttpRequest,
  HttpResponse,
  TemplatedApp,
  us_listen_socket,
  WebSocket,
  WebSocketBehavior,
} from 'uws-pack';

/** The author's own comes first, where the operator installed it; then the newest, and the one for an older glibc. */
const PACKAGES = ['uWebSockets.js', '@btc-vision/uwebsockets.js', 'uws-pack'];

interface Loaded {
  readonly uws: typeof Uws;
  /** The package's own name and version. */
  readonly library: string;
}

/**
 * Loads the first of `packages` that is installed and has a binary for this Node.js and this system.
 * @throws VolleyError BINARY_MISSING, with what each of them failed with
 */
export async function loadFirst(packages: readonly string[]): Promise<Loaded> {
  const require = createRequire(import.meta.url);
  const failures: string[] = [];
  for (const name of packages) {
    try {
      return { uws: await load(name, require), library: describePackage(name) };
    } catch (error) {
      failures.push(`${name}: ${lastLine(error)}`);
    }
  }
  const { version, platform, arch } = process;
  throw new VolleyError(
    'BINARY_MISSING',
    `${NO_BINARY} Node.js ${version} on this ${platform} ${arch}: use Node.js 20 or 22, or for Node.js 24 a system with ` +
      'glibc 2.38 or newer (Debian 13, Ubuntu 24.04), or install the official package, npm install ' +
      `uNetworking/uWebSockets.js#v20.52.0 or a newer tag (${failures.join('; ')})`,
  );
}

async function load(name: string, require: NodeJS.Require): Promise<typeof Uws> {
  try {
    // Not with import: where such a module throws, Node.js 20 also leaves a rejection that nobody can handle.
    return require(name) as typeof Uws;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_PACKAGE_PATH_NOT_EXPORTED') throw error;
    return (await import(name)) as typeof Uws;
  }
}

function describePackage(name: string): string {
  let folder = dirname(fileURLToPath(import.meta.resolve(name)));
  while (!existsSync(join(folder, 'package.json')) && folder !== dirname(folder)) folder = dirname(folder);
  const own = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { name: string; version: string };
  return `${own.name} ${own.version}`;
}

/** Loaders put the system's own words last. */
function lastLine(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  if ((error as NodeJS.ErrnoException).code === 'MODULE_NOT_FOUND' && !/\.node\b/.test(message)) return 'not installed';
  return message.trim().split('\n').at(-1) ?? '';
}

const { uws, library } = await loadFirst(PACKAGES);

export { library };
export const { App, us_listen_socket_close, us_socket_local_port } = uws;
