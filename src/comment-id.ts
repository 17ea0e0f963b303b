/**
 * A comment's id: the seq of its batch and its place in it, from 0, as `42.7`; and whole numbers as text. No
 * `node:` import, so that a browser's code can use this file too.
 */

/** Where a comment stands in its room's log. */
interface CommentPlace {
  readonly seq: number;
  readonly place: number;
}

/** One spelling for each comment, the one that is given out: no sign, no leading zero, no exponent. */
const ID = /^(?:0|[1-9]\d{0,15})\.(?:0|[1-9]\d{0,15})$/;

/** Reads an id that anybody may have written; null for what can be no comment's. */
export function parseCommentId(text: string): CommentPlace | null {
  if (!ID.test(text)) return null;
  const at = placeOf(text);
  return Number.isSafeInteger(at.seq) && Number.isSafeInteger(at.place) ? at : null;
}

/** Reads an id that comes from a batch of ours, without looking whether it is one. */
export function placeOf(id: string): CommentPlace {
  const dot = id.indexOf('.');
  return { seq: Number(id.slice(0, dot)), place: Number(id.slice(dot + 1)) };
}

/** Reads a whole number, 0 or more, as it stands in a query string; null when it is not one that a double holds. */
export function parseWhole(text: string): number | null {
  if (!/^\d{1,16}$/.test(text)) return null;
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : null;
}
