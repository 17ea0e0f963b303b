import type { Comment, Mode } from '../comment.ts';
import { type ExportFormat, Timeline } from './export-format.ts';

/** Bilibili's numbers of the modes. */
const NUMBER_OF: Readonly<Record<Mode, number>> = { scroll: 1, bottom: 4, top: 5 };

const MARKUP: Readonly<Record<string, string>> = {
  '<': '&lt;',
  '>': '&gt;',
  '&': '&amp;',
  '"': '&quot;',
  "'": '&apos;',
};

/** Bilibili XML: players load it, `npm run replay` reads it back. `name` and `extra` are attributes beside `p`. */
export class XmlExport implements ExportFormat {
  readonly contentType = 'application/xml; charset=utf-8';
  readonly extension = 'xml';
  /** Without a line break between: some readers know the format by the first bytes up to `<i`. */
  readonly head: string;
  readonly foot = '</i>\n';
  readonly #timeline: Timeline;

  /** @param origin Unix ms, null for the first comment's */
  constructor(room: string, origin: number | null) {
    this.head = `<?xml version="1.0" encoding="UTF-8"?><i><chatserver>volley</chatserver><chatid>${room}</chatid>\n`;
    this.#timeline = new Timeline(origin);
  }

  render(comments: readonly Comment[]): string {
    let text = '';
    for (const comment of comments) text += this.#renderComment(comment);
    return text;
  }

  #renderComment({ id, at, mode, size, color, user, name, text, extra }: Comment): string {
    const seconds = (this.#timeline.offsetOf(at) / 1_000).toFixed(3);
    const unix = Math.floor(at / 1_000);
    const sender = escapeXml(user.replace(/[%,]/g, encodeURIComponent));
    const p = `${seconds},${NUMBER_OF[mode]},${size},${color},${unix},0,${sender},${id}`;
    const named = name === '' ? '' : ` user="${escapeXml(name)}"`;
    const more = extra === undefined ? '' : ` extra="${escapeXml(encodeURIComponent(extra.toWellFormed()))}"`;
    return `<d p="${p}"${named}${more}>${escapeXml(text)}</d>\n`;
  }
}

const ESCAPED = /[<>&"'\p{Cc}\ufffe\uffff]/gu;

/**
 * Text for an element or an attribute, whatever it holds: line breaks and tabs as references, so that no reader turns
 * them into something else; what XML 1.0 does not allow (section 2.2) as U+FFFD.
 */
function escapeXml(text: string): string {
  return text.toWellFormed().replace(ESCAPED, (character) => MARKUP[character] ?? escapeControl(character));
}

function escapeControl(character: string): string {
  const point = character.charCodeAt(0);
  if (point === 0x09 || point === 0x0a || point === 0x0d) return `&#${point};`;
  return point >= 0x7f && point <= 0x9f ? character : '\ufffd';
}
