import type { RefusalCode } from './codes.ts';
import { BOUNDS, DEFAULT_COLOR, DEFAULT_MODE, DEFAULT_SIZE, type Draft, isVisible, MODES } from './comment.ts';

/** Which of `user` and `name` are taken from the sender: both (HTTP), its name only (viewers, `--viewer-names`), none. */
export type Identity = 'full' | 'name' | 'none';

/**
 * Bounds one comment as a client sent it: the draft, or the code of the first thing that is wrong with it.
 * Unknown members are ignored.
 *
 * @param maxText most code points of `text`
 * @param identity what may be set; the rest is ignored and left ''
 */
export function checkComment(value: unknown, maxText: number, identity: Identity): Draft | RefusalCode {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return 'NOT_AN_OBJECT';
  const given = value as Record<string, unknown>;
  const { text, mode, color, size, extra } = given;
  if (typeof text !== 'string' || !isVisible(text) || !isPlain(text, maxText)) return 'TEXT_INVALID';
  const place = mode === undefined ? DEFAULT_MODE : (MODES as readonly unknown[]).indexOf(mode);
  if (place === -1) return 'MODE_INVALID';
  if (color !== undefined && !isWithin(color, 0, BOUNDS.color)) return 'COLOR_INVALID';
  if (size !== undefined && !isWithin(size, 1, BOUNDS.size)) return 'SIZE_INVALID';
  const user = identity === 'full' && given.user !== undefined ? given.user : '';
  if (typeof user !== 'string' || !isPlain(user, BOUNDS.user)) return 'USER_INVALID';
  const name = identity !== 'none' && given.name !== undefined ? given.name : '';
  if (typeof name !== 'string' || !isPlain(name, BOUNDS.name)) return 'NAME_INVALID';
  if (extra !== undefined && !isExtra(extra)) return 'EXTRA_INVALID';
  return {
    text,
    mode: place,
    color: color ?? DEFAULT_COLOR,
    size: size ?? DEFAULT_SIZE,
    user,
    name,
    extra: extra ?? '',
  };
}

const FORBIDDEN = /[\p{Cc}\p{Cs}]/u;

/** The sentence for a text that {@link checkComment} refuses: which rule it breaks, with the bound in force. */
export function describeTextRefusal(text: unknown, maxText: number): string {
  if (text === undefined) return 'text is missing';
  if (typeof text !== 'string') return 'text must be a string';
  if (text === '') return 'text is empty';
  const [forbidden] = FORBIDDEN.exec(text) ?? [];
  if (forbidden !== undefined) {
    const unit = forbidden.charCodeAt(0);
    const name = `U+${unit.toString(16).toUpperCase().padStart(4, '0')}`;
    return unit < 0xd800 ? `text has a control character (${name})` : `text has half a surrogate pair (${name})`;
  }
  if (!isVisible(text)) return 'text is empty: there are only spaces and characters that cannot be seen';
  return `text is too long: ${[...text].length} characters, at most ${maxText} are allowed`;
}

function isWithin(value: unknown, least: number, most: number): value is number {
  return Number.isInteger(value) && (value as number) >= least && (value as number) <= most;
}

function isExtra(value: unknown): value is string {
  return typeof value === 'string' && value.isWellFormed() && Buffer.byteLength(value) <= BOUNDS.extra;
}

/** True for at most `most` code points without C0 and C1 control characters, U+007F and lone surrogates. */
function isPlain(text: string, most: number): boolean {
  let points = text.length;
  for (let i = 0; i < text.length; i += 1) {
    const unit = text.charCodeAt(i);
    if (unit < 0x20 || (unit >= 0x7f && unit <= 0x9f)) return false;
    if (unit < 0xd800 || unit > 0xdfff) continue;
    const next = text.charCodeAt(i + 1);
    if (unit > 0xdbff || !(next >= 0xdc00 && next <= 0xdfff)) return false;
    points -= 1;
    i += 1;
  }
  return points <= most;
}
