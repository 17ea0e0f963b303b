/**
 * The comment, as everybody in volley knows it. No `node:` import: the browser SDK uses this file too.
 */

/** Where a comment moves on screen. The place in this list is the number that stands in a batch's bytes. */
export const MODES = ['scroll', 'top', 'bottom'] as const;

export type Mode = (typeof MODES)[number];

export const DEFAULT_MODE = 0;
export const DEFAULT_COLOR = 0xffffff;
export const DEFAULT_SIZE = 25;

/** Bounds of the fields, in code points (text, user, name), bytes of UTF-8 (extra) and characters (ref). */
export const BOUNDS = { color: 0xffffff, size: 255, user: 64, name: 32, extra: 512, ref: 64 } as const;

/** A comment that passed intake: every field set, `mode` as its place in {@link MODES}, '' for what was not given. */
export interface Draft {
  readonly text: string;
  readonly mode: number;
  readonly color: number;
  readonly size: number;
  readonly user: string;
  readonly name: string;
  readonly extra: string;
}

/** A comment as viewers get it (protocol v1). */
export interface Comment {
  /** The batch's seq and the place in it: `"42.7"`. */
  id: string;
  user: string;
  name: string;
  text: string;
  mode: Mode;
  color: number;
  size: number;
  /** Milliseconds after the `at` of the message it came in, 0 or more. */
  at: number;
  /** Left out when empty. */
  extra?: string;
}

/** What Unicode calls white space, ignorable or a control, and the few characters beside them that are blank. */
const VISIBLE =
  /[^\p{White_Space}\p{Default_Ignorable_Code_Point}\p{Cc}\u2800\ufff9-\ufffb\u{13441}\u{13442}\u{16fe4}\u{1d159}]/u;

/** Whether there is anything to see in a text. */
export function isVisible(text: string): boolean {
  return isLetter(text.charCodeAt(0)) || VISIBLE.test(text);
}

/** Whether a text that begins with this unit is visible for sure. Nearly every text does, which saves the search. */
function isLetter(unit: number): boolean {
  // Printable ASCII; kana; ideographs to Hangul; the first halves of pictures; full-width forms.
  if (unit < 0x7f) return unit > 0x20;
  if (unit < 0x3400) return unit > 0x3040 && unit < 0x3100;
  return unit < 0xd7a4 || (unit >= 0xd83c && unit <= 0xd83e) || (unit > 0xff00 && unit < 0xff5f);
}

/** Up to the first character with a direction of its own, which is one of right-to-left scripts: UAX #9, P2 and P3. */
const RIGHT_TO_LEFT =
  /^[^\p{L}\p{Nl}\p{Mc}\u200e\u200f\u061c]*(?:[\u200f\u061c]|(?=\p{L})[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\u{10800}-\u{10fff}\u{1e800}-\u{1efff}])/u;

/** Whether a text is laid out from right to left, by its first letter, as `dir="auto"` does in HTML. */
export function isRightToLeft(text: string): boolean {
  return RIGHT_TO_LEFT.test(text);
}

const ROOM_NAME = /^[A-Za-z0-9._:-]{1,64}$/;

export function isRoomName(name: string): boolean {
  return ROOM_NAME.test(name);
}
