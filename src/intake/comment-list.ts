import type { Refusal, RefusalCode } from '../codes.ts';
import type { TurnQueue } from '../turn-queue.ts';
import { parseJson } from './body.ts';

/** Bytes that are parsed in one turn of the loop: the worst of JSON takes 3 ms for so many, and 300 ms for a megabyte. */
const TURN_BYTES = 16_384;

/** Bytes of one comment at most: all its members at their largest, written as escapes, and as much again for others. */
const COMMENT_BYTES = 16_384;

/** Bytes of a code point of the text that is written as two escapes, `\ud83d\ude00`. */
const ESCAPED_POINT_BYTES = 12;

/** Most bytes of the JSON of one comment. */
export function largestComment(maxText: number): number {
  return COMMENT_BYTES + ESCAPED_POINT_BYTES * maxText;
}

export interface ListLimits {
  /** Most comments. */
  readonly most: number;
  /** Most code points of a comment's text. */
  readonly maxText: number;
  /** Handed out one a turn of the loop: a long body waits for one after each 16 KB. */
  readonly turns: TurnQueue;
}

/**
 * Parses a body that holds one comment or an array of them, and gives what `read` makes of each, in their order. One that
 * is too long to be a comment is `TOO_LARGE` on its own. The code alone means that the body is no such list: then nothing
 * of it is to be taken.
 */
export async function parseComments<T>(
  bytes: Buffer,
  read: (value: unknown) => T,
  { most, maxText, turns }: ListLimits,
): Promise<readonly (T | Refusal)[] | RefusalCode> {
  const largest = largestComment(maxText);
  const groups = bytes.length <= TURN_BYTES ? null : groupValues(bytes, largest);
  if (groups === null) {
    if (bytes.length > largest) return 'TOO_LARGE';
    const parsed = parseJson(bytes);
    if ('refused' in parsed) return parsed.refused;
    const values: readonly unknown[] = Array.isArray(parsed.value) ? parsed.value : [parsed.value];
    if (values.length === 0) return 'EMPTY_ARRAY';
    return values.length > most ? 'TOO_MANY' : values.map(read);
  }
  const comments: (T | Refusal)[] = [];
  for (let next = groups.next(); ; next = groups.next()) {
    if (next.done) return !next.value ? 'NOT_JSON' : comments.length === 0 ? 'EMPTY_ARRAY' : comments;
    const { start, end, count, isLarge } = next.value;
    if (comments.length + count > most) return 'TOO_MANY';
    if (isLarge) {
      comments.push({ code: 'TOO_LARGE' });
    } else if (count > 0) {
      const parsed = parseJson(Buffer.concat([OPEN, bytes.subarray(start, end), CLOSE]));
      if ('refused' in parsed) return parsed.refused;
      const values = parsed.value as unknown[];
      // Behind a comma nothing is no value.
      if (values.length !== count) return 'NOT_JSON';
      for (const value of values) comments.push(read(value));
    }
    await turns.next();
  }
}

/** Bytes that are looked through in one turn of the loop: 1 ms. */
const SCAN_BYTES = 262_144;

/** Values of an array that follow each other, with the commas between them. */
interface Group {
  readonly start: number;
  readonly end: number;
  /** 0 where nothing has been found in {@link SCAN_BYTES}. */
  readonly count: number;
  /** One value, which is longer than it may be. */
  readonly isLarge?: true;
}

const OPEN = Buffer.from('[');
const CLOSE = Buffer.from(']');

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const OPEN_ARRAY = 0x5b;
const OPEN_OBJECT = 0x7b;
const CLOSE_ARRAY = 0x5d;
const CLOSE_OBJECT = 0x7d;

/**
 * Cuts the array that a document is into groups of at least {@link TURN_BYTES}, without reading it; a value longer than
 * `largest` is a group of its own. Each group is valid JSON in brackets, and the generator returns true, if and only if
 * the document is valid. Null where the document does not begin as an array does.
 */
function groupValues(bytes: Buffer, largest: number): Generator<Group, boolean> | null {
  // A document may begin with a byte order mark.
  const first = skipSpace(bytes, bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0);
  return bytes[first] === OPEN_ARRAY ? cutGroups(bytes, first + 1, largest) : null;
}

function* cutGroups(bytes: Buffer, first: number, largest: number): Generator<Group, boolean> {
  const scanner = new ArrayScanner(bytes, first);
  let group: Group = { start: first, end: first, count: 0 };
  let start = first;
  while (!scanner.isOver) {
    if (!scanner.findEnd(scanner.at + SCAN_BYTES)) {
      if (scanner.at >= bytes.length) return false;
      yield { start: first, end: first, count: 0 };
      continue;
    }
    const end = scanner.at - 1;
    const text = skipSpace(bytes, start);
    if (end - text > largest && findTextEnd(bytes, end) - text > largest) {
      if (group.count > 0) yield group;
      yield { start, end, count: 1, isLarge: true };
      group = { start: end + 1, end, count: 0 };
    } else if (!scanner.isOver || start !== first || text !== end) {
      group = { start: group.start, end, count: group.count + 1 };
    }
    start = end + 1;
    if (group.count > 0 && (scanner.isOver || end - group.start >= TURN_BYTES)) {
      yield group;
      group = { start, end, count: 0 };
    }
  }
  return skipSpace(bytes, scanner.at) === bytes.length;
}

/** Looks through an array for the ends of its values: commas and the bracket that are neither in a text nor deeper. */
class ArrayScanner {
  /** Behind the last byte that was looked at. */
  at: number;
  /** The closing bracket of the array has been found. */
  isOver = false;
  readonly #bytes: Buffer;
  #depth = 0;
  #isText = false;

  constructor(bytes: Buffer, first: number) {
    this.#bytes = bytes;
    this.at = first;
  }

  /** Goes on behind the end of a value, false where that is not before `until`. */
  findEnd(until: number): boolean {
    const bytes = this.#bytes;
    const stop = Math.min(until, bytes.length);
    let at = this.at;
    let depth = this.#depth;
    let isText = this.#isText;
    let isEnd = false;
    while (at < stop && !isEnd) {
      const byte = bytes[at];
      at += 1;
      if (isText) {
        if (byte === BACKSLASH) at += 1;
        else if (byte === QUOTE) isText = false;
      } else if (byte === QUOTE) {
        isText = true;
      } else if (byte === OPEN_ARRAY || byte === OPEN_OBJECT) {
        depth += 1;
      } else if (depth === 0 && (byte === COMMA || byte === CLOSE_ARRAY)) {
        isEnd = true;
        this.isOver = byte === CLOSE_ARRAY;
      } else if (byte === CLOSE_ARRAY || byte === CLOSE_OBJECT) {
        depth -= 1;
      }
    }
    this.at = at;
    this.#depth = depth;
    this.#isText = isText;
    return isEnd;
  }
}

/** The place of the first byte from `at` on that is no white space. */
function skipSpace(bytes: Buffer, from: number): number {
  let at = from;
  while (isSpace(bytes[at])) at += 1;
  return at;
}

/** Behind the last byte before `end` that is no white space. */
function findTextEnd(bytes: Buffer, end: number): number {
  let at = end;
  while (isSpace(bytes[at - 1])) at -= 1;
  return at;
}

/** White space as JSON has it. */
function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}
