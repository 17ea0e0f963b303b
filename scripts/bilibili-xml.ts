/**
 * Bilibili's recording of a video's or stream's comments, as sites, players and recorders write it:
 * `<i><d p="seconds,mode,size,color,unixSeconds,pool,midHash,id" user="name">text</d>…</i>`. What volley exports is
 * one too, in which `%` and `,` of midHash are percent-encoded, and the attribute `extra` is as a whole.
 */
import { isUtf8 } from 'node:buffer';
import { BOUNDS, DEFAULT_COLOR, DEFAULT_SIZE, isVisible, type Mode } from '../src/comment.ts';
import { findElements, type XmlElement } from './xml-elements.ts';

/** A comment with the members that the HTTP API takes, all within their bounds but for the length of the text. */
export interface RecordedComment {
  readonly text: string;
  readonly mode: Mode;
  readonly color: number;
  readonly size: number;
  /** The hash that Bilibili gives in place of a user's id, or what volley knows the user by. */
  readonly user: string;
  /** From the attribute `user`, where recorders and volley write the name shown. */
  readonly name?: string;
  /** From the attribute `extra`, which volley writes. */
  readonly extra?: string;
}

/** A comment and when it comes, in ms after the start of the recording. */
export interface RecordedMoment {
  readonly at: number;
  /** The line of the file it begins in, from 1. */
  readonly line: number;
  readonly comment: RecordedComment;
}

export interface Recording {
  /** Earliest first; comments of the same moment in the order of the file. */
  readonly moments: readonly RecordedMoment[];
  /** How many elements were left out, by reason: `cut off`, `malformed`, `nothing to see`, `mode 7`. */
  readonly leftOut: ReadonlyMap<string, number>;
  /** How many comments had to be changed, by what was changed in them: `color`, `text`. */
  readonly changed: ReadonlyMap<string, number>;
  /** How many elements there are of kinds that are no comments: `gift`, `guard`, `super chat`. */
  readonly others: ReadonlyMap<string, number>;
  /** False where the file has no `</i>` at its end: then more may be missing than what was left out. */
  readonly hasEnd: boolean;
  /** The first {@link MOST_NOTES} elements that were left out or changed: the line, and what became of it. */
  readonly notes: readonly string[];
}

export const MOST_NOTES = 10;

/** How near to the end of a file its `</i>` is, in characters. */
const END = 1_000;

/** Thrown for a file that is not such a recording; the message says why. */
export class RecordingError extends Error {}

/** 2, 3 and 6 scroll too, from other edges, which volley does not tell apart. */
const MODE_OF: ReadonlyMap<number, Mode> = new Map([
  [1, 'scroll'],
  [2, 'scroll'],
  [3, 'scroll'],
  [4, 'bottom'],
  [5, 'top'],
  [6, 'scroll'],
]);

/** Modes whose text is not what is shown: a layout, a script. */
const PROGRAMS: ReadonlySet<number> = new Set([7, 8, 9]);

/** What recorders write beside comments, by the name of the element. */
const KINDS: ReadonlyMap<string, string> = new Map([
  ['gift', 'gift'],
  ['guard', 'guard'],
  ['sc', 'super chat'],
  ['superchat', 'super chat'],
  ['super_chat', 'super chat'],
  ['toast', 'toast'],
  // biliup writes all of them as <s>, with the kind as an attribute, and messages that it does not know as <o>.
  ['s', 'other'],
  ['o', 'other'],
]);
const KINDS_OF_S: ReadonlyMap<string, string> = new Map([
  ['gift', 'gift'],
  ['guard_buy', 'guard'],
  ['super_chat', 'super chat'],
]);

/** Places of the fields in `p`. */
interface FieldOrder {
  readonly time: number;
  /** What makes ms of the time. */
  readonly scale: number;
  readonly mode: number;
  readonly size: number;
  readonly color: number;
  readonly user: number;
}

const ORDER: FieldOrder = { time: 0, scale: 1_000, mode: 1, size: 2, color: 3, user: 6 };

/** Bilibili's own programs write files of version 2.0: `p="id,0,milliseconds,mode,size,color,unixSeconds,pool,midHash"`. */
const ORDER_2: FieldOrder = { time: 2, scale: 1, mode: 3, size: 4, color: 5, user: 8 };

/**
 * The text of a file: UTF-8 if it is that, whatever it says of itself; otherwise what its first bytes or its XML
 * declaration say. Bytes that cannot be decoded become U+FFFD.
 */
export function decodeRecording(bytes: Uint8Array): string {
  const [first, second] = bytes;
  if ((first === 0xff && second === 0xfe) || (first === 0x3c && second === 0)) return decodeAs('utf-16le', bytes);
  if ((first === 0xfe && second === 0xff) || (first === 0 && second === 0x3c)) return decodeAs('utf-16be', bytes);
  if (isUtf8(bytes)) return decodeAs('utf-8', bytes);
  const head = new TextDecoder('latin1').decode(bytes.subarray(0, 200));
  const label = /encoding\s*=\s*["']([\w.-]+)["']/.exec(head)?.[1] ?? 'utf-8';
  return decodeAs(/^utf-16/i.test(label) ? 'utf-8' : label, bytes);
}

/** An unknown encoding is read as UTF-8. */
function decodeAs(label: string, bytes: Uint8Array): string {
  try {
    return new TextDecoder(label).decode(bytes);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return new TextDecoder().decode(bytes);
  }
}

/**
 * Reads a recording, of which as much as can be read: it may be cut off, be several files in one, and hold what XML
 * does not allow. A field that is missing or out of range is set to what comes nearest to it; a `<d>` is left out where
 * it has no time, no visible text, no end, or a mode that volley does not have.
 *
 * @throws RecordingError when `xml` neither begins with an element `<i>` nor holds anything that belongs into one
 */
export function parseRecording(xml: string): Recording {
  const reader = new RecordingReader();
  for (const element of findElements(xml, ['d', ...KINDS.keys()])) reader.take(element);
  return { ...reader.finish(), hasEnd: /<\/i\s*>|<i\s*\/>/.test(xml.slice(-END)) };
}

class RecordingReader {
  readonly #moments: RecordedMoment[] = [];
  readonly #leftOut = new Map<string, number>();
  readonly #changed = new Map<string, number>();
  readonly #others = new Map<string, number>();
  readonly #notes: string[] = [];
  #order = ORDER;
  #isRecording = false;
  #isFirst = true;

  take(element: XmlElement): void {
    const { name, attributes } = element;
    if (name === '?xml' || name === 'i') {
      const version = attributes.get('version');
      if (name === '?xml' || version !== undefined) this.#order = version?.startsWith('2') === true ? ORDER_2 : ORDER;
      this.#isRecording ||= name === 'i' && this.#isFirst;
    } else if (name === 'd' || KINDS.has(name)) {
      this.#isRecording ||= KINDS.get(name) !== 'other';
      if (element.isCut) this.#leaveOut(element, 'cut off');
      else if (name === 'd') this.#takeComment(element);
      else add(this.#others, KINDS_OF_S.get(attributes.get('type') ?? '') ?? KINDS.get(name) ?? name);
    } else if (attributes.has('ts')) {
      add(this.#others, name);
    }
    this.#isFirst &&= name === '?xml';
  }

  finish(): Omit<Recording, 'hasEnd'> {
    if (!this.#isRecording) {
      throw new RecordingError(
        'it has neither a root element <i> nor comments <d p="…">, so it is no Bilibili recording',
      );
    }
    this.#moments.sort((a, b) => a.at - b.at);
    return {
      moments: this.#moments,
      leftOut: this.#leftOut,
      changed: this.#changed,
      others: this.#others,
      notes: this.#notes,
    };
  }

  #takeComment(element: XmlElement): void {
    const { attributes } = element;
    const order = this.#order;
    const fields = attributes.get('p')?.split(',') ?? [];
    const time = readNumber(fields[order.time]) * order.scale;
    const number = readNumber(fields[order.mode]);
    const text = readLine(element.text);
    const reason = whyLeftOut(time, number, text);
    if (reason !== undefined) {
      this.#leaveOut(element, reason);
      return;
    }
    const changes = new Map<string, string>();
    const keep = <T>(what: string, given: string | number | undefined, value: T): T => {
      if (given !== value) changes.set(what, `${what} ${show(given)} became ${show(value)}`);
      return value;
    };
    const at = Math.round(time);
    const mode = MODE_OF.get(number) ?? keep('mode', fields[order.mode], 'scroll');
    const user = (fields[order.user] ?? '').replace(/%(?:25|2C)/gi, decodeURIComponent);
    const name = attributes.get('user') ?? '';
    const extra = decodeExtra(attributes.get('extra') ?? '');
    const comment = {
      text: keep('text', element.text, text),
      mode,
      color: keep('color', readNumber(fields[order.color]), readColor(readNumber(fields[order.color]))),
      size: keep('size', readNumber(fields[order.size]), readSize(readNumber(fields[order.size]))),
      user: keep('user', user, cut(readLine(user), BOUNDS.user)),
      name: keep('name', name, cut(readLine(name), BOUNDS.name)),
      extra: keep('extra', extra, Buffer.byteLength(extra) <= BOUNDS.extra ? extra : ''),
    };
    if (at < 0) changes.set('time', `time ${at} ms became 0 ms`);
    this.#moments.push({ at: Math.max(0, at), line: element.line, comment: withoutEmpty(comment) });
    for (const what of changes.keys()) add(this.#changed, what);
    if (changes.size > 0) this.#note(element, [...changes.values()].join('; '));
  }

  #leaveOut(element: XmlElement, reason: string): void {
    add(this.#leftOut, reason);
    this.#note(element, `<${element.name}> left out: ${reason}`);
  }

  #note({ line }: XmlElement, words: string): void {
    if (this.#notes.length < MOST_NOTES) this.#notes.push(`line ${line}: ${words}`);
  }
}

function whyLeftOut(time: number, mode: number, text: string): string | undefined {
  if (!Number.isFinite(time)) return 'malformed';
  if (PROGRAMS.has(mode)) return `mode ${mode}`;
  return isVisible(text) ? undefined : 'nothing to see';
}

function add(counts: Map<string, number>, what: string): void {
  counts.set(what, (counts.get(what) ?? 0) + 1);
}

/** Names and extras that are empty are those of comments without. */
function withoutEmpty({ name, extra, ...comment }: Required<RecordedComment>): RecordedComment {
  return { ...comment, ...(name === '' ? {} : { name }), ...(extra === '' ? {} : { extra }) };
}

/** A number as JSON has it; a text shortened, so that a note stays on one line. */
function show(value: unknown): string {
  if (typeof value !== 'string') return String(value);
  const points = Array.from(value);
  return JSON.stringify(points.length > 40 ? `${points.slice(0, 40).join('')}…` : value);
}

/** NaN for a field that is missing, empty or no number. */
function readNumber(field = ''): number {
  return field.trim() === '' ? NaN : Number(field);
}

/** Rounded and within bounds; the default where there is none. */
function readSize(size: number): number {
  const rounded = Math.round(size);
  return rounded >= 1 ? Math.min(rounded, BOUNDS.size) : DEFAULT_SIZE;
}

/** The last 24 bits where the first 8 say that it is opaque, as in ARGB, signed or not; otherwise white. */
function readColor(color: number): number {
  const whole = Math.trunc(color);
  if (whole >= 0 && whole <= BOUNDS.color) return whole;
  const isOpaque = (whole >= 0xff000000 && whole <= 0xffffffff) || (whole >= -0x1000000 && whole < 0);
  return isOpaque ? whole & BOUNDS.color : DEFAULT_COLOR;
}

/** One line without control characters: they and line breaks become spaces, and none of these stand at the ends. */
function readLine(text: string): string {
  const line = text.replace(/\r\n|[\p{Cc}\u2028\u2029]/gu, ' ');
  return line === text ? text : line.trim();
}

/** The first `most` code points. */
function cut(text: string, most: number): string {
  return text.length <= most ? text : Array.from(text).slice(0, most).join('');
}

/** What is not percent-encoded UTF-8 was not written by volley, and stays as it is. */
function decodeExtra(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (error) {
    if (error instanceof URIError) return text;
    throw error;
  }
}
