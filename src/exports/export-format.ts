import type { Comment } from '../comment.ts';

/** A document made piece by piece. An object makes one document: it may remember what came before. */
export interface ExportFormat {
  /** Media type, with charset. */
  readonly contentType: string;
  /** Ending of the file's name, without the dot. */
  readonly extension: string;
  readonly head: string;
  readonly foot: string;
  /** The text of a piece; each comment's `at` is Unix ms. */
  render(comments: readonly Comment[]): string;
}

/**
 * The document of all pieces, in chunks that are never empty. Nothing comes before the first piece has been read, so a
 * fault of the first read is known before a byte is sent.
 */
export async function* renderExport(
  format: ExportFormat,
  pieces: AsyncIterable<readonly Comment[]>,
): AsyncGenerator<string, undefined> {
  let text = format.head;
  for await (const piece of pieces) {
    text += format.render(piece);
    if (text !== '') yield text;
    text = '';
  }
  text += format.foot;
  if (text !== '') yield text;
}

/** Times of a recording: ms after its origin, which is given or is the time of its first comment. Never below 0. */
export class Timeline {
  #origin: number | null;

  /** @param origin Unix ms, null for the first comment's */
  constructor(origin: number | null) {
    this.#origin = origin;
  }

  /** @param at Unix ms */
  offsetOf(at: number): number {
    this.#origin ??= at;
    return Math.max(0, at - this.#origin);
  }
}

/** What many readers of lines take for the end of one, though JSON does not. */
const LINE_ENDS = /[\u0085\u2028\u2029]/g;

/** One comment a line as JSON, as in a page: `at` in Unix ms. */
export class NdjsonExport implements ExportFormat {
  readonly contentType = 'application/x-ndjson; charset=utf-8';
  readonly extension = 'ndjson';
  readonly head = '';
  readonly foot = '';

  render(comments: readonly Comment[]): string {
    let text = '';
    for (const comment of comments) text += `${JSON.stringify(comment)}\n`;
    // Outside of strings JSON has none of them, so an escape stands for the same character wherever one is.
    return text.replace(LINE_ENDS, (end) => `\\u${end.charCodeAt(0).toString(16).padStart(4, '0')}`);
  }
}
