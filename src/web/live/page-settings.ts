import { isRoomName } from '../../comment.ts';

/** What the server tells its pages, `GET /page-settings.json`. */
export interface PageSettings {
  /** Where viewers connect, null for the page's own host. */
  readonly viewerUrl: string | null;
  readonly port: number;
  /** Most code points of a comment. */
  readonly maxText: number;
  /** Whether viewers may set a name. */
  readonly viewerNames: boolean;
  /** ms after which a quiet room hears a presence. */
  readonly heartbeat: number;
}

const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 15_000;

/** Asks until there is an answer, for a server that is about to start. `failed` is called before each pause. */
export async function loadSettings(failed: () => void): Promise<PageSettings> {
  for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) {
    const settings = await fetchSettings();
    if (settings !== null) return settings;
    failed();
    await new Promise((resolve) => setTimeout(resolve, pause * (0.5 + Math.random() / 2)));
  }
}

/** Null where the server does not answer, or not with settings: it may be starting, or a proxy stands in for it. */
async function fetchSettings(): Promise<PageSettings | null> {
  try {
    const answer = await fetch('/page-settings.json', { cache: 'no-store' });
    return answer.ok ? ((await answer.json()) as PageSettings) : null;
  } catch {
    return null;
  }
}

/** The URL of the viewers' port, as this page reaches it: a secure page may open secure sockets only. */
export function viewerUrlOf({ viewerUrl, port }: PageSettings, page: Pick<Location, 'protocol' | 'hostname'>): string {
  return viewerUrl ?? `${page.protocol === 'https:' ? 'wss' : 'ws'}://${page.hostname}:${port}`;
}

/** How long nothing may be heard before a link counts as dead, ms: a presence may be missed once. */
export function staleAfterOf({ heartbeat }: PageSettings): number {
  return Math.max(40_000, 2.5 * heartbeat);
}

/** What plays in place of the generated picture. */
export interface Source {
  readonly url: string;
  readonly kind: 'file' | 'playlist';
}

/** What the page's address asks for. */
export interface PageAddress {
  /** The room as it was given, valid or not. */
  readonly room: string;
  readonly roomIsValid: boolean;
  /** Undefined where none is asked for, null where it is one that cannot be played: only http and https are. */
  readonly source: Source | null | undefined;
}

/** Reads `?room=` (default `demo`) and `?src=`. `query` is the address from its question mark on. */
export function readAddress(query: string): PageAddress {
  const asked = new URLSearchParams(query);
  const room = asked.get('room') ?? 'demo';
  const source = asked.get('src');
  // No URL can name these two.
  const roomIsValid = isRoomName(room) && room !== '.' && room !== '..';
  return { room, roomIsValid, source: source === null ? undefined : readSource(source) };
}

function readSource(text: string): Source | null {
  if (!URL.canParse(text)) return null;
  const { href, protocol, pathname } = new URL(text);
  if (protocol !== 'http:' && protocol !== 'https:') return null;
  return { url: href, kind: pathname.endsWith('.m3u8') ? 'playlist' : 'file' };
}
