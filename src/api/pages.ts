/**
 * The pages that people look at, and what they load: files of dist/web, which `npm run build` makes. Everything comes
 * from this server; the Content-Security-Policy holds browsers to that.
 *
 * The files are read once, at the start: all together are 1.6 MB. A page then needs no open file, which the process may
 * be out of, and a reader that takes nothing costs no memory.
 */
import { createHash } from 'node:crypto';
import { type Dirent, readdirSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { negotiate } from '@fastify/accept-negotiator';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import { compiledFile } from '../compiled-file.ts';
import { sendRefusal } from '../problem.ts';
import { shareBytes } from './connections.ts';

/** Where `GET` finds the pages. Their files are not served under their own names. */
const PAGES = { '/': 'live.html', '/dashboard': 'dashboard.html' } as const;

/** By the endings of the files. Those with another are left alone, whatever lies in the folder. */
const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.map': 'application/json; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.txt': 'text/plain; charset=utf-8',
};

/** What the build compresses files to, the smallest first, and what their names end with then. */
const ENCODINGS = { br: '.br', gzip: '.gz' } as const;

type Encoding = keyof typeof ENCODINGS;

/** Bytes to send, and what names them. */
interface Body {
  readonly bytes: Buffer;
  readonly etag: string;
}

interface PageFile {
  readonly type: string;
  readonly plain: Body;
  /** As the build has compressed it, if it has. */
  readonly compressed: ReadonlyMap<Encoding, Body>;
}

/** A host and its port as a browser sends it. Anything else could write its own words into the policy. */
const HOST = /^([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:\d{1,5})?$/;

/** What the pages must know of this server. */
export interface PageSettings {
  /** `--public-url`, '' where the viewers' port is on the page's own host. */
  readonly publicUrl: string;
  /** The viewers' port. */
  readonly port: number;
  /** Most code points of a comment. */
  readonly maxText: number;
  /** Whether viewers may set a name. */
  readonly viewerNames: boolean;
  /** ms after which a quiet room hears a presence. */
  readonly heartbeat: number;
}

export interface PageRoutesOptions {
  readonly settings: PageSettings;
  readonly logger: Logger;
  /** The folder of the files; the built one by default. */
  readonly folder?: string;
}

/**
 * `GET /` and `GET /dashboard`, the scripts and styles, and `GET /page-settings.json`:
 * `{ viewerUrl: string | null, port, maxText, viewerNames, heartbeat }`, where null means the page's own host. Files
 * carry an ETag and are asked for again each time, so that a browser sees a new build at once. Those that the build has
 * compressed come so to whoever takes it. Without a build there are no pages, which is logged.
 */
export function servePages(app: FastifyInstance, options: PageRoutesOptions): void {
  const folder = options.folder ?? compiledFile('web');
  const files = readFiles(folder);
  if (files.size === 0) options.logger.warn({ folder }, 'the pages are not built: npm run build makes them');

  for (const [path, name] of Object.entries(PAGES)) {
    const file = files.get(name);
    if (file === undefined) continue;
    app.get(path, (request, reply) => {
      harden(reply).header('Content-Security-Policy', policyOf(path, request, options.settings));
      return sendFile(request, reply, file);
    });
  }
  for (const [name, file] of files) {
    if (extname(name) === '.html') continue;
    app.get(`/${name}`, (request, reply) => sendFile(request, harden(reply), file));
  }
  app.get('/page-settings.json', (_request, reply) => {
    const { publicUrl, port, maxText, viewerNames, heartbeat } = options.settings;
    harden(reply).header('Cache-Control', 'no-store');
    if (port === 0) return sendRefusal(reply, { code: 'NOT_READY' });
    return { viewerUrl: publicUrl === '' ? null : publicUrl, port, maxText, viewerNames, heartbeat };
  });
}

/** The regular files in `folder` that are not hidden, by their names; none where it is not there. */
function readFiles(folder: string): ReadonlyMap<string, PageFile> {
  let entries: Dirent[];
  try {
    entries = readdirSync(folder, { withFileTypes: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return new Map();
    throw error;
  }
  const bodies = new Map<string, Body>();
  for (const entry of entries) {
    if (entry.isFile() && !entry.name.startsWith('.')) bodies.set(entry.name, readBody(join(folder, entry.name)));
  }
  const files = new Map<string, PageFile>();
  for (const [name, plain] of bodies) {
    const type = TYPES[extname(name)];
    if (type === undefined) continue;
    const compressed = new Map<Encoding, Body>();
    for (const encoding of Object.keys(ENCODINGS) as Encoding[]) {
      const body = bodies.get(`${name}${ENCODINGS[encoding]}`);
      if (body !== undefined) compressed.set(encoding, body);
    }
    files.set(name, { type, plain, compressed });
  }
  return files;
}

function readBody(path: string): Body {
  const bytes = shareBytes(readFileSync(path));
  return { bytes, etag: `"${createHash('sha256').update(bytes).digest('base64url')}"` };
}

/** Sends a file, or what the build has compressed of it where the reader takes that; 304 to a reader that has it. */
function sendFile(request: FastifyRequest, reply: FastifyReply, { type, plain, compressed }: PageFile): FastifyReply {
  // `*` is no name of anything that was compressed.
  const accepted = request.headers['accept-encoding']?.toLowerCase().replaceAll('*', 'any') ?? '';
  const encoding = negotiate(accepted, [...compressed.keys()]);
  const body = (encoding === null ? undefined : compressed.get(encoding)) ?? plain;
  reply.headers({ 'Cache-Control': 'public, max-age=0', Vary: 'accept-encoding', ETag: body.etag });
  if (body !== plain) reply.header('Content-Encoding', encoding);
  const known = request.headers['if-none-match']?.split(',').map((tag) => tag.trim().replace(/^W\//, ''));
  if (known?.includes(body.etag) || known?.includes('*')) return reply.code(304).send();
  return reply.type(type).send(body.bytes);
}

function harden(reply: FastifyReply): FastifyReply {
  return reply.header('X-Content-Type-Options', 'nosniff').header('Referrer-Policy', 'no-referrer');
}

/** Own scripts and styles only; the live page may also reach its viewers' port, and what `?src=` has it play. */
function policyOf(path: string, request: FastifyRequest, settings: PageSettings): string {
  const connect = ["'self'"];
  const media: string[] = [];
  if (path === '/') {
    connect.push(...viewerOrigins(request, settings));
    const source = (request.query as { src?: unknown }).src;
    if (typeof source === 'string') {
      media.push("'self'", 'http:', 'https:', 'blob:');
      // The segments of a playlist are fetched by script, and may lie on any host. A file is, to learn why it fails.
      connect.push('http:', 'https:');
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

/**
 * The viewers' port: `ws://host:port`, which a policy takes for wss too, and the same for HTTP, over which the SDK asks
 * why handshakes are refused. None where the request does not name a host.
 */
function viewerOrigins({ headers }: FastifyRequest, { publicUrl, port }: PageSettings): string[] {
  const [, host] = HOST.exec(headers.host ?? '') ?? [];
  const address = publicUrl === '' ? `ws://${host}:${port}` : publicUrl;
  if ((publicUrl === '' && host === undefined) || !URL.canParse(address)) return [];
  const url = new URL(address);
  // A policy cannot name an IPv6 address; without the port a URL means its scheme's own.
  const named = url.hostname.startsWith('[') ? `*${url.port && `:${url.port}`}` : url.host;
  return [`${url.protocol}//${named}`, `${url.protocol.replace('ws', 'http')}//${named}`];
}
