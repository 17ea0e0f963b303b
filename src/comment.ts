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

const ROOM_NAME = /^[A-Za-z0-9._:-]{1,64}$/;

export function isRoomName(name: string): boolean {
  return ROOM_NAME.test(name);
}
