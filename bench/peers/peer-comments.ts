import { readFileSync } from 'node:fs';
import { parseRecording } from '../../scripts/bilibili-xml.ts';
import { type Draft, MODES } from '../../src/comment.ts';
import { SAMPLE } from '../feed.ts';

let drafts: readonly Draft[] | undefined;

/**
 * `count` real comments from the `first`-th of the sample on, over and over. They come without the hash of the user that
 * the sample has: volley takes none from a viewer, and what a site sets instead is its own.
 */
export function takeDrafts(first: number, count: number): Draft[] {
  drafts ??= parseRecording(readFileSync(SAMPLE, 'utf8')).moments.map(({ comment }) => {
    const { text, color, size } = comment;
    return { text, mode: MODES.indexOf(comment.mode), color, size, user: '', name: '', extra: '' };
  });
  const all = drafts;
  return Array.from({ length: count }, (_, i) => all[(first + i) % all.length] as Draft);
}
