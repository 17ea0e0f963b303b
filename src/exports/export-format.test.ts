import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AT, anyComments, commentOf } from './comments.fixture.ts';
import { NdjsonExport } from './export-format.ts';

describe('the ndjson export', () => {
  it('has a comment a line as JSON', () => {
    const { head, foot, ...format } = new NdjsonExport();
    const text = new NdjsonExport().render([commentOf('a'), commentOf('b', { id: '1.1', extra: 'e' })]);
    const rest = '"mode":"scroll","color":16777215,"size":25';
    expect(text).toBe(
      `{"id":"1.0","user":"","name":"","text":"a",${rest},"at":${AT}}\n` +
        `{"id":"1.1","user":"","name":"","text":"b",${rest},"at":${AT},"extra":"e"}\n`,
    );
    expect([head, foot, format.extension]).toEqual(['', '', 'ndjson']);
  });

  it('is cut at its line feeds only, whatever is in a comment', () => {
    fc.assert(
      fc.property(anyComments, (comments) => {
        const lines = new NdjsonExport().render(comments).split(/\r\n|[\n\r\u0085\u2028\u2029]/);
        expect(lines.pop()).toBe('');
        expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual(comments);
      }),
    );
  });
});
