import type { Comment } from '../comment.ts';
import type { ExportFormat } from './export-format.ts';

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
