import { readFileSync } from 'node:fs';
import { parseRecording, type RecordedComment, RecordingError } from '../../scripts/bilibili-xml.ts';
import { checkComment } from '../../src/intake/comment-check.ts';
import { BenchError } from '../bench-error.ts';

/** The server's default `--max-text`. */
const MAX_TEXT = 200;

export interface CommentFile {
  /** At least one; each is one that a server with default settings takes. */
  readonly comments: readonly RecordedComment[];
  /** Comments of the file that such a server would refuse, and elements that are no comment. */
  readonly leftOut: number;
}

/**
 * Reads the comments of a Bilibili XML recording.
 * @throws BenchError when the file cannot be read, is no such recording, or holds no comment that a server would take
 */
export function readComments(file: string): CommentFile {
  const { moments, leftOut } = readRecording(file);
  const comments = moments.flatMap(({ comment }) =>
    typeof checkComment(comment, MAX_TEXT, 'full') === 'object' ? [comment] : [],
  );
  if (comments.length === 0)
    throw new BenchError(`the comments file ${file} has no comment that the server would take`);
  const unfit = [...leftOut.values()].reduce((sum, count) => sum + count, moments.length - comments.length);
  return { comments, leftOut: unfit };
}

function readRecording(file: string): ReturnType<typeof parseRecording> {
  let xml: string;
  try {
    xml = readFileSync(file, 'utf8');
  } catch (error) {
    throw new BenchError(`the comments file ${file} cannot be read (${(error as Error).message})`);
  }
  if (xml.trim() === '') throw new BenchError(`the comments file ${file} is empty`);
  try {
    return parseRecording(xml);
  } catch (error) {
    if (!(error instanceof RecordingError)) throw error;
    throw new BenchError(`the comments file ${file} cannot be used: ${error.message}`);
  }
}
