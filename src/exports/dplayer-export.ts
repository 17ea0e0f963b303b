import { type Comment, MODES } from '../comment.ts';
import type { ExportFormat } from './export-format.ts';

export const DPLAYER_TYPE = 'application/json; charset=utf-8';

/** The place in a video, in s, as it stands in the `extra` of a comment that a DPlayer sent. */
const TIME = /^dplayer:(\d{1,10}(?:\.\d{1,3})?)$/;

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** `extra` of a comment that a DPlayer sent at `seconds`, 0 to 9,999,999,999, of its video; kept to the ms. */
export function dplayerExtra(seconds: number): string {
  return `dplayer:${Math.round(seconds * 1_000) / 1_000}`;
}

/**
 * The answer that DPlayer reads: `{"code":0,"data":[[time,type,color,author,text],…]}`, its types being the places in
 * {@link MODES}. A comment that was not sent by a DPlayer has no place in a video, so it plays as the room did: `time` is
 * the seconds after `origin`, which is Unix ms.
 */
export class DplayerExport implements ExportFormat {
  readonly contentType = DPLAYER_TYPE;
  readonly extension = 'json';
  readonly head = '{"code":0,"data":[';
  readonly foot = ']}';
  readonly #origin: number;
  #comma = '';

  constructor(origin: number) {
    this.#origin = origin;
  }

  render(comments: readonly Comment[]): string {
    let text = '';
    for (const { extra = '', at, mode, color, name, text: said } of comments) {
      const sent = TIME.exec(extra)?.[1];
      const time = sent === undefined ? Math.max(0, at - this.#origin) / 1_000 : Number(sent);
      const row = [time, MODES.indexOf(mode), color, escapeHtml(name), escapeHtml(said)];
      text += this.#comma + JSON.stringify(row);
      this.#comma = ',';
    }
    return text;
  }
}

/** DPlayer makes HTML of what it is given. For text and attribute values in either kind of quotes. */
function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character] ?? character);
}
