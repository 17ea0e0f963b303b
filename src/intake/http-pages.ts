/**
 * The pages that people look at, and what they load: files of dist/web, which `npm run build` makes. Everything comes
 * from this server; the Content-Security-Policy holds browsers to that.
 */
import { type Dirent, readdirSync } from 'node:fs';
import { extname } from 'node:path';
import fastifyStatic from '@fastify/static';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import { compiledFile } from '../compiled-file.ts';
import { sendRefusal } from './http-refusal.ts';

/** Where `GET` finds the pages. Their files are not served under their own names. */
const PAGES = { '/': 'live.html', '/dashboard': 'dashboard.html' } as const;

/** Other files are left alone, whatever lies in the folder. */
const SERVED = new Set(['.js', '.css', '.map', '.svg', '.txt']);

/** A host and its port as a browser sends it. Anything else could write its own words into the policy. */
const HOST = /^([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:\d{1,5})?$/;

/** What the pages must know of this server. */
export interface PageSettings {
  /** `--public-url`, '' where the viewers' port is on the page's own host. */
  readonly publicUrl: string;
  /** The viewers' port, 0 as long as it is not known. */
  readonly port: number;
  /** Most code points of a comment. */
  readonly maxText: number;
  /** ms after which a quiet room hears a presence. */
  readonly heartbeat: number;
}

export interface PageRoutesOptions {
  readonly settings: () => PageSettings;
  readonly logger: Logger;
  /** The folder of the files; the built one by default. */
  readonly folder?: string;
}

/**
 * `GET /` and `GET /dashboard`, the scripts and styles, and `GET /page-settings.json`:
 * `{ viewerUrl: string | null, port, maxText, heartbeat }`, where null means the page's own host. Files carry an ETag and are asked
 * for again each time, so that a new build is seen at once. Those that the build has compressed come so to whoever takes
 * it. Without a build there are no pages, which is logged.
 */
export async function servePages(app: FastifyInstance, options: PageRoutesOptions): Promise<void> {
  const folder = options.folder ?? compiledFile('web');
  const files = listFiles(folder);
  if (files.length === 0) options.logger.warn({ folder }, 'the pages are not built: npm run build makes them');
  else await app.register(fastifyStatic, { root: folder, serve: false, maxAge: 0, preCompressed: true });

  for (const [path, file] of Object.entries(PAGES)) {
    if (!files.includes(file)) continue;
    app.get(path, (request, reply) => {
      harden(reply).header('Content-Security-Policy', policyOf(path, request, options.settings()));
      return sendPage(request, reply, file);
    });
  }
  for (const file of files) {
    if (!SERVED.has(extname(file))) continue;
    app.get(`/${file}`, (request, reply) => sendPage(request, harden(reply), file));
  }
  app.get('/page-settings.json', (_request, reply) => {
    const { publicUrl, port, maxText, heartbeat } = options.settings();
    harden(reply).header('Cache-Control', 'no-store');
    if (port === 0) return sendRefusal(reply, { code: 'NOT_READY' });
    return { viewerUrl: publicUrl === '' ? null : publicUrl, port, maxText, heartbeat };
  });
}

/** The names of the regular files in `folder` that are not hidden, none where it is not there. */
function listFiles(folder: string): string[] {
  let entries: Dirent[];
  try {
    entries = readdirSync(folder, { withFileTypes: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
  return entries.filter((entry) => entry.isFile() && !entry.name.startsWith('.')).map(({ name }) => name);
}

/** Sends a file, or what the build has compressed of it where the reader takes that. */
function sendPage(request: FastifyRequest, reply: FastifyReply, file: string): FastifyReply {
  const accepted = request.headers['accept-encoding'];
  // The plugin takes `*` for gzip, even where `gzip;q=0` stands beside it.
  if (accepted !== undefined) request.headers['accept-encoding'] = accepted.replaceAll('*', 'any');
  return reply.sendFile(file);
}

function harden(reply: FastifyReply): FastifyReply {
  return reply.header('X-Content-Type-Options', 'nosniff').header('Referrer-Policy', 'no-referrer');
}

/** Own scripts and styles only; the live page may also reach its viewers' port, and what `?src=` has it play. */
function policyOf(path: string, request: FastifyRequest, settings: PageSettings): string {
  const connect = ["'self'"];
  const media: string[] = [];
  if (path === '/') {
    const viewers = viewerOrigin(request, settings);
    if (viewers !== null) connect.push(viewers);
    const source = (request.query as { src?: unknown }).src;
    if (typeof source === 'string') {
      media.push("'self'", 'http:', 'https:', 'blob:');
      // The segments of a playlist are fetched by script, and may lie on any host.
      if (isPlaylist(source)) connect.push('http:', 'https:');
    }
  }
  return [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    `connect-src ${connect.join(' ')}`,
    `media-src ${media.length === 0 ? "'none'" : media.join(' ')}`,
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'self'",
  ].join('; ');
}

/** `ws://host:port`, which a policy takes for wss too; null where the request does not name a host. */
function viewerOrigin({ headers }: FastifyRequest, { publicUrl, port }: PageSettings): string | null {
  if (publicUrl !== '') {
    const { protocol, host } = new URL(publicUrl);
    return `${protocol}//${host}`;
  }
  const host = HOST.exec(headers.host ?? '')?.[1];
  return host === undefined ? null : `ws://${host}:${port}`;
}

function isPlaylist(source: string): boolean {
  return URL.canParse(source) && new URL(source).pathname.endsWith('.m3u8');
}
