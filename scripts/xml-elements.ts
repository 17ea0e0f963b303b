/**
 * Finds elements in XML that may be damaged: cut off, two files in one, bare `&` and `<` in its texts. Recorders leave
 * such files behind, and they have one thing in common: the elements that matter hold text and no elements. So a text
 * goes up to its own end tag, whatever stands in it. XML parsers, lenient ones too, take a bare `<` for the begin of an
 * element and lose what follows.
 */

export interface XmlElement {
  readonly name: string;
  /** References decoded. */
  readonly attributes: ReadonlyMap<string, string>;
  /** References decoded, CDATA sections opened, comments left out; '' for what is no leaf. */
  readonly text: string;
  /** The line of the file it begins in, from 1. */
  readonly line: number;
  /** It has no end: the file breaks off, or another file or leaf begins in it. */
  readonly isCut: boolean;
}

/** A start tag or a comment. The name of an XML declaration is `?xml`. */
const START = String.raw`<(?:!--|(\?xml|[A-Za-z_][\w.:-]*)(?=[\s/>]))`;

const ATTRIBUTE = /\s*([\w.:-]+)\s*=\s*(?:"([^"]*)"|'([^']*)')/y;

/** CDATA sections, comments, references; neighbouring numeric references together, for two may make one character. */
const MARKUP =
  /<!\[CDATA\[([\s\S]*?)\]\]>|<!--[\s\S]*?-->|&(lt|gt|amp|apos|quot);|(?:&#(?:x0*[\da-f]{1,6}|0*\d{1,7});)+/gi;

const NAMED: Readonly<Record<string, string>> = { lt: '<', gt: '>', amp: '&', apos: "'", quot: '"' };

/**
 * The elements of `xml` in their order. Those named in `leaves` come with their text; the others, the XML declarations
 * too, come as they start, and what is in them follows.
 */
export function* findElements(xml: string, leaves: readonly string[]): Generator<XmlElement, undefined> {
  // Nothing but the begin of another file or leaf looks like this, not even a text with markup in it.
  const restart = String.raw`<\?xml\s|<(?:${leaves.join('|')})\s+[\w.:-]+\s*=\s*["']`;
  const source: Source = {
    xml,
    restarts: new Ahead(xml, restart),
    commentEnds: new Ahead(xml, '-->'),
    cdataEnds: new Ahead(xml, ']]>'),
  };
  const starts = new Ahead(xml, START);
  const ends = new Map(leaves.map((name) => [name, new Ahead(xml, `<!\\[CDATA\\[|</${name}\\s*(?:>|$)|${restart}`)]));
  let line = 1;
  let lineEnd = xml.indexOf('\n');
  for (let start = starts.from(0); start !== null; ) {
    const [tagStart, name] = start;
    let at = start.index + tagStart.length;
    if (name === undefined) {
      at = endOfComment(source, at);
    } else {
      for (; lineEnd !== -1 && lineEnd < start.index; lineEnd = xml.indexOf('\n', lineEnd + 1)) line += 1;
      const tag = readTag(source, at);
      const end = ends.get(name);
      const hasText = !tag.isCut && !tag.isEmpty && end !== undefined;
      const text = hasText ? readText(source, tag.at, end) : { content: '', isCut: tag.isCut, at: tag.at };
      at = text.at;
      yield { name, attributes: tag.attributes, text: decode(text.content), line, isCut: text.isCut };
    }
    start = starts.from(at);
  }
  return undefined;
}

/** What comes next of a pattern. It is searched for once however often it is asked for, so that reading stays linear. */
class Ahead {
  readonly #xml: string;
  readonly #pattern: RegExp;
  #from = Number.POSITIVE_INFINITY;
  #found: RegExpExecArray | null = null;

  constructor(xml: string, pattern: string) {
    this.#xml = xml;
    this.#pattern = new RegExp(pattern, 'g');
  }

  /** The first match at `at` or after it. */
  from(at: number): RegExpExecArray | null {
    if (at < this.#from || (this.#found !== null && this.#found.index < at)) {
      this.#pattern.lastIndex = at;
      this.#found = this.#pattern.exec(this.#xml);
      this.#from = at;
    }
    return this.#found;
  }

  /** Where that begins; infinity for none. */
  indexFrom(at: number): number {
    return this.from(at)?.index ?? Number.POSITIVE_INFINITY;
  }
}

interface Source {
  readonly xml: string;
  /** Where another file or leaf begins. */
  readonly restarts: Ahead;
  readonly commentEnds: Ahead;
  readonly cdataEnds: Ahead;
}

/** A comment that has no end, or has it in another file, is taken for its first characters only. */
function endOfComment({ restarts, commentEnds }: Source, start: number): number {
  const end = commentEnds.indexFrom(start);
  const restart = restarts.from(start);
  const isOver = restart?.[0].startsWith('<?') === true && restart.index < end;
  return end === Number.POSITIVE_INFINITY || isOver ? start : end + 3;
}

interface Tag {
  readonly attributes: ReadonlyMap<string, string>;
  readonly isEmpty: boolean;
  readonly isCut: boolean;
  /** Where it ends. */
  readonly at: number;
}

/** Reads attributes up to the end of a tag. What is no attribute is skipped: a bare quote costs only its neighbours. */
function readTag({ xml, restarts }: Source, start: number): Tag {
  const attributes = new Map<string, string>();
  // A tag goes as far as the next one at most.
  const last = Math.min(xml.length, restarts.indexFrom(start));
  for (let at = start; at < last; ) {
    ATTRIBUTE.lastIndex = at;
    const attribute = ATTRIBUTE.exec(xml);
    if (attribute !== null) {
      const [whole, name = '', double, single = ''] = attribute;
      if (at + whole.length > last) break;
      attributes.set(name, decode(double ?? single));
      at += whole.length;
    } else if (xml[at] === '>') {
      const isEmpty = xml[at - 1] === '/' || xml[at - 1] === '?';
      return { attributes, isEmpty, isCut: false, at: at + 1 };
    } else {
      at += 1;
    }
  }
  return { attributes, isEmpty: false, isCut: true, at: last };
}

interface Text {
  readonly content: string;
  readonly isCut: boolean;
  readonly at: number;
}

function readText({ xml, restarts, cdataEnds }: Source, start: number, ends: Ahead): Text {
  for (let from = start; ; ) {
    const end = ends.from(from);
    if (end === null) return { content: '', isCut: true, at: xml.length };
    const after = end.index + end[0].length;
    if (end[0].startsWith('</')) return { content: xml.slice(start, end.index), isCut: false, at: after };
    if (end[0] !== '<![CDATA[') return { content: '', isCut: true, at: end.index };
    const close = cdataEnds.indexFrom(after);
    from = close < restarts.indexFrom(after) ? close : after;
  }
}

/** What looks like a reference and is none stays as it is, bare `&` too. */
function decode(text: string): string {
  if (!/[&<]/.test(text)) return text;
  return text.replace(MARKUP, (whole: string, raw: string | undefined, name: string | undefined) => {
    if (raw !== undefined) return raw;
    if (name !== undefined) return NAMED[name.toLowerCase()] ?? whole;
    return whole.startsWith('<') ? '' : decodeNumbers(whole);
  });
}

/** Some recorders write a character beyond U+FFFF as two references, one for each half of its surrogate pair. */
function decodeNumbers(references: string): string {
  const all = references.split(';').slice(0, -1);
  const points = all.map((one) => Number(one.slice(2).replace(/^x/i, '0x')));
  let text = '';
  for (let i = 0; i < all.length; i += 1) {
    const [point = 0, low = 0] = points.slice(i, i + 2);
    if (point >= 0xd800 && point < 0xdc00 && low >= 0xdc00 && low < 0xe000) {
      text += String.fromCharCode(point, low);
      i += 1;
    } else {
      const isScalar = point <= 0x10ffff && !(point >= 0xd800 && point < 0xe000);
      text += isScalar ? String.fromCodePoint(point) : `${all[i]};`;
    }
  }
  return text;
}
