/** The server's text messages (docs/protocol.md), read and checked. */
import type { ServerMessage } from '../frames/messages.ts';
import { VolleyClientError } from './client-error.ts';

/** By type, the members that the SDK counts on, and what each must be. */
const MEMBERS: Record<ServerMessage['type'], Record<string, (value: unknown) => boolean>> = {
  welcome: { seq: isWhole, viewers: isWhole, interval: isWhole, gap: isGap },
  batch: { seq: isSeq, prev: isWhole, at: Number.isFinite, viewers: isWhole, comments: isComments },
  presence: { seq: isWhole, viewers: isWhole },
  recall: { ids: (ids) => Array.isArray(ids) && ids.every(isString) },
  skipped: {},
  ack: { seq: isSeq, id: isString },
  refused: { code: isString, message: isString, retryAfterMs: (ms) => ms === undefined || Number.isFinite(ms) },
};

/** UTF-16 units from which on a text is looked through before it is parsed. A shorter one costs 100 ms at worst. */
const LONG_TEXT = 1_048_576;

/** Arrays and objects within each other in a long text. A batch has 4. */
const MOST_DEPTH = 16;

/** Values of a long text. 10,000 comments, the most that a server pushes at once, have 100,000. */
const MOST_VALUES = 1_048_576;

/**
 * Reads a text message; null for a type that this version does not know, which is to be ignored.
 * @throws VolleyClientError UNREADABLE when it is not a message at all; TOO_LARGE when there are too many values
 */
export function readMessage(text: string): ServerMessage | null {
  if (text.length >= LONG_TEXT) checkShape(text);
  let message: unknown;
  try {
    message = JSON.parse(text);
  } catch (cause) {
    throw new VolleyClientError('UNREADABLE', 'a text message that is not JSON', { cause });
  }
  return checkMessage(message);
}

/**
 * Checks a message, whatever it came as; null for a type that this version does not know.
 * @throws VolleyClientError UNREADABLE when a member that the SDK counts on is not what it must be
 */
export function checkMessage(message: unknown): ServerMessage | null {
  if (!isObject(message) || !isString(message.type)) {
    throw new VolleyClientError('UNREADABLE', 'a message without a type');
  }
  const { type } = message;
  if (!Object.hasOwn(MEMBERS, type)) return null;
  for (const [name, holds] of Object.entries(MEMBERS[type as ServerMessage['type']])) {
    if (!holds(message[name])) throw wrong(type, name);
  }
  if (type === 'batch' && (message.prev as number) >= (message.seq as number)) throw wrong(type, 'prev');
  return message as unknown as ServerMessage;
}

/** 16 MiB of brackets would stand still for seconds and take hundreds of MB when they are parsed. */
function checkShape(text: string): void {
  let depth = 0;
  let values = 0;
  for (let at = 0; at < text.length; at += 1) {
    const unit = text.charCodeAt(at);
    if (unit === QUOTE) at = endOfString(text, at);
    else if (unit === COMMA) values += 1;
    else if (unit === ARRAY || unit === OBJECT) {
      depth += 1;
      values += 1;
      if (depth > MOST_DEPTH) throw new VolleyClientError('UNREADABLE', `a text nested over ${MOST_DEPTH} deep`);
    } else if (unit === ARRAY_END || unit === OBJECT_END) depth -= 1;
  }
  if (values > MOST_VALUES) throw new VolleyClientError('TOO_LARGE', `a text of over ${MOST_VALUES} values`);
}

const QUOTE = 0x22;
const COMMA = 0x2c;
const ARRAY = 0x5b;
const BACKSLASH = 0x5c;
const ARRAY_END = 0x5d;
const OBJECT = 0x7b;
const OBJECT_END = 0x7d;

/** Where the string ends that begins at `at`; the text's end where it does not. */
function endOfString(text: string, at: number): number {
  let end = at + 1;
  for (let unit = text.charCodeAt(end); end < text.length && unit !== QUOTE; unit = text.charCodeAt(end)) {
    end += unit === BACKSLASH ? 2 : 1;
  }
  return end;
}

function isComments(value: unknown): boolean {
  return Array.isArray(value) && value.every(isComment);
}

/** What applications do something with must be of its type. A mode may be one of a later version. */
function isComment(value: unknown): boolean {
  return (
    isObject(value) &&
    isString(value.id) &&
    isString(value.user) &&
    isString(value.name) &&
    isString(value.text) &&
    isString(value.mode) &&
    Number.isFinite(value.color) &&
    Number.isFinite(value.size) &&
    Number.isFinite(value.at) &&
    (value.extra === undefined || isString(value.extra))
  );
}

function isGap(value: unknown): boolean {
  if (value === undefined) return true;
  return isObject(value) && isSeq(value.from) && isSeq(value.to) && (value.from as number) <= (value.to as number);
}

function wrong(type: string, member: string): VolleyClientError {
  return new VolleyClientError('UNREADABLE', `a ${type} whose ${member} is wrong`);
}

function isSeq(value: unknown): boolean {
  return isWhole(value) && value !== 0;
}

function isWhole(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isString(value: unknown): value is string {
  return typeof value === 'string';
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
