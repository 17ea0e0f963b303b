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
