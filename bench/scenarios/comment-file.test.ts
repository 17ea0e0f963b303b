import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { compiledFile } from '../../src/compiled-file.ts';
import { BenchError } from '../bench-error.ts';
import { readComments } from './comment-file.ts';

const folder = mkdtempSync(join(tmpdir(), 'bench-comments-'));

afterAll(() => rmSync(folder, { recursive: true }));

function fileOf(text: string): string {
  const file = join(folder, 'comments.xml');
  writeFileSync(file, text);
  return file;
}

describe('the comments file', () => {
  it('that ships with the project has real comments', () => {
    const { comments, leftOut } = readComments(compiledFile('../bench/comments.xml'));
    expect(comments.length).toBeGreaterThan(1_000);
    expect(leftOut).toBe(0);
  });

  it('is left with what a server would take', () => {
    const file = fileOf(`<i>
      <d p="1,1,25,255,0,0,u1,1">good</d>
      <d p="2,1,300,255,0,0,u2,2">as large as it may be</d>
      <d p="3,1,25,255,0,0,u3,3">${'x'.repeat(201)}</d>
      <d p="4,7,25,255,0,0,u4,4">[1,2]</d>
    </i>`);
    const { comments, leftOut } = readComments(file);
    expect(comments.map(({ text }) => text)).toEqual(['good', 'as large as it may be']);
    expect(leftOut).toBe(2);
  });

  it.each([
    ['is empty', ' \n', / is empty$/],
    ['is no XML', 'hello', / cannot be used: it /],
    ['has no comment', '<i></i>', / has no comment that the server would take$/],
    ['has none that fits', '<i><d p="1,7,25,0,0,0,u,1">x</d></i>', / has no comment that the server would take$/],
  ])('that %s is one clear sentence', (_, text, sentence) => {
    const file = fileOf(text);
    expect(() => readComments(file)).toThrow(BenchError);
    expect(() => readComments(file)).toThrow(sentence);
  });

  it('that is missing is one clear sentence', () => {
    expect(() => readComments(join(folder, 'none.xml'))).toThrow(
      /^the comments file .*none\.xml cannot be read \(ENOENT/,
    );
  });
});
