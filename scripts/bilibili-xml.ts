/**
 * Bilibili's recording of a video's or stream's comments:
 * `<i><d p="seconds,mode,size,color,unixSeconds,pool,midHash,id" user="name">text</d>…</i>`. What volley exports is
 * one too, in which `%` and `,` of midHash are percent-encoded, and the attribute `extra` is as a whole.
 */
import { XMLParser, XMLValidator } from 'fast-xml-parser';
import type { Mode } from '../src/comment.ts';

/** A comment with the members that the HTTP API takes. Sizes and colours stand as recorded, out of range or not. */
export interface RecordedComment {
  readonly text: string;
  readonly mode: Mode;
  readonly color: number;
  readonly size: number;
  /** The hash that Bilibili gives in place of a user's id, or what volley knows the user by. */
  readonly user: string;
  /** From the attribute `user`, where BililiveRecorder and volley write the name shown. */
  readonly name?: string;
  /** From the attribute `extra`, which volley writes. */
  readonly extra?: string;
}

/** A comment and when it comes, in ms after the start of the recording. */
export interface RecordedMoment {
  readonly at: number;
  readonly comment: RecordedComment;
}

export interface Recording {
  /** Earliest first; comments of the same moment in the order of the file. */
  readonly moments: readonly RecordedMoment[];
  /** How many `<d>` were left out, by reason: `malformed`, or `mode 7` for a mode that volley does not have. */
  readonly leftOut: ReadonlyMap<string, number>;
}

/** Thrown for text that is not such a recording. The message says what is wrong, and where if that is known. */
export class RecordingError extends Error {}

/** 6 is a scroll from left to right, which volley does not tell apart. */
const MODE_OF: ReadonlyMap<number, Mode> = new Map([
  [1, 'scroll'],
  [4, 'bottom'],
  [5, 'top'],
  [6, 'scroll'],
]);

/** The fields of `p` up to the last one that is read, midHash. */
const LEAST_FIELDS = 7;

const TEXT = '#text';
const ATTRIBUTES = ':attributes';

/**
 * Reads a recording.
 *
 * A `<d>` is malformed when `p` is missing or has fewer than seven fields, when its time, mode, size or color is not a
 * number, when its time is negative, or when its text has elements in it. Nothing else is checked: the server decides
 * what it takes.
 *
 * @throws RecordingError when `xml` is not well-formed XML or has no root element `<i>`
 */
export function parseRecording(xml: string): Recording {
  const valid = XMLValidator.validate(xml);
  if (valid !== true) throw new RecordingError(`it is not well-formed XML (${describePlace(valid.err)})`);
  const root = member(parseXml(xml), 'i');
  if (root === undefined) throw new RecordingError('it has no root element <i>, so it is no Bilibili recording');
  const elements = member(root, 'd') ?? [];
  const moments: RecordedMoment[] = [];
  const leftOut = new Map<string, number>();
  for (const element of Array.isArray(elements) ? elements : []) {
    const read = readElement(element);
    if (typeof read === 'string') leftOut.set(read, (leftOut.get(read) ?? 0) + 1);
    else moments.push(read);
  }
  moments.sort((a, b) => a.at - b.at);
  return { moments, leftOut };
}

/** The comment in one `<d>`, or the reason for leaving it out. */
function readElement(element: unknown): RecordedMoment | string {
  const text = member(element, TEXT);
  const attributes = member(element, ATTRIBUTES);
  const p = member(attributes, 'p');
  if (typeof text !== 'string' || typeof p !== 'string' || hasElements(element)) return 'malformed';
  const fields = p.split(',');
  if (fields.length < LEAST_FIELDS) return 'malformed';
  const [seconds = NaN, number = NaN, size = NaN, color = NaN] = fields.slice(0, 4).map(readNumber);
  const sound = seconds >= 0 && [seconds, number, size, color].every(Number.isFinite);
  if (!sound) return 'malformed';
  const mode = MODE_OF.get(number);
  if (mode === undefined) return `mode ${number}`;
  const user = (fields[LEAST_FIELDS - 1] ?? '').replace(/%(?:25|2C)/gi, decodeURIComponent);
  const name = member(attributes, 'user');
  const extra = member(attributes, 'extra');
  return {
    at: Math.round(seconds * 1_000),
    comment: {
      text,
      mode,
      color,
      size,
      user,
      ...(typeof name === 'string' && name !== '' ? { name } : {}),
      ...(typeof extra === 'string' && extra !== '' ? { extra: decodeExtra(extra) } : {}),
    },
  };
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

/** `Number`, but NaN for an empty field. */
function readNumber(field: string): number {
  return field.trim() === '' ? NaN : Number(field);
}

function hasElements(element: unknown): boolean {
  return Object.keys(element ?? {}).some((key) => key !== TEXT && key !== ATTRIBUTES);
}

function member(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null) return undefined;
  return (value as Record<string, unknown>)[name];
}

function describePlace(fault: { msg: string; line: number; col?: number }): string {
  // What the validator says of several elements without an end is a list of them in JSON.
  if (fault.msg.startsWith("Invalid '[")) return 'elements are not closed, as in a file that is cut off';
  const sentence = fault.msg.replace(/\.$/, '');
  return `line ${fault.line}${fault.col === undefined ? '' : `, column ${fault.col}`}: ${sentence}`;
}

/** Plain objects: text as {@link TEXT} and attributes as {@link ATTRIBUTES} on every element, and `d` an array. */
function parseXml(xml: string): unknown {
  const parser = new XMLParser({
    ignoreAttributes: false,
    attributeNamePrefix: '',
    attributesGroupName: ATTRIBUTES,
    textNodeName: TEXT,
    alwaysCreateTextNode: true,
    isArray: (name) => name === 'd',
    // A comment `007` is text, and so are the spaces round it.
    parseTagValue: false,
    parseAttributeValue: false,
    trimValues: false,
    // The parser's own decoder leaves `&#28450;` as it is or, asked for HTML, takes control characters out.
    entityDecoder: {
      decode: decodeEntities,
      setExternalEntities() {},
      addInputEntities() {},
      reset() {},
      setXmlVersion() {},
    },
  });
  try {
    return parser.parse(xml) as unknown;
  } catch (error) {
    throw new RecordingError(`it is not XML that can be read (${error instanceof Error ? error.message : error})`);
  }
}

const NAMED: Readonly<Record<string, string>> = { lt: '<', gt: '>', amp: '&', apos: "'", quot: '"' };

/** Decodes the five entities of XML and character references; anything else that looks like one stays as it is. */
function decodeEntities(text: string): string {
  if (!text.includes('&')) return text;
  return text.replace(/&(?:(lt|gt|amp|apos|quot)|#(\d{1,7})|#x([\da-f]{1,6}));/gi, (whole, name, decimal, hex) => {
    if (name !== undefined) return NAMED[name] ?? whole;
    const point = decimal === undefined ? Number.parseInt(hex, 16) : Number(decimal);
    const isScalar = point <= 0x10ffff && !(point >= 0xd800 && point <= 0xdfff);
    return isScalar ? String.fromCodePoint(point) : whole;
  });
}
