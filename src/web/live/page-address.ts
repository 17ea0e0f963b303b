import { isRoomName } from '../../comment.ts';

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
