import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parseRecording, RecordingError } from './bilibili-xml.ts';

/** A recording with `elements` in it. */
function recordingOf(elements: string): string {
  return `<?xml version="1.0" encoding="UTF-8"?><i><chatid>1</chatid><source>k-v</source>${elements}</i>`;
}

/** A `<d>` at one second with all eight fields. */
function withText(text: string): string {
  return `<d p="1,1,25,16777215,1304950621,0,b82a51a3,26516962">${text}</d>`;
}

function textsOf(xml: string): string[] {
  return parseRecording(xml).moments.map(({ comment }) => comment.text);
}

describe('a Bilibili XML recording', () => {
  it('becomes comments with the members that the API takes', () => {
    const { moments, leftOut } = parseRecording(
      recordingOf('<d p="15.4,5,18,16711935,1304950621,0,b82a51a3,26516962">弾幕</d>'),
    );
    expect(moments).toEqual([
      { at: 15_400, comment: { text: '弾幕', mode: 'top', color: 16711935, size: 18, user: 'b82a51a3' } },
    ]);
    expect(leftOut.size).toBe(0);
  });

  it('has names and extras where volley or BililiveRecorder wrote them', () => {
    const xml = recordingOf(
      [
        '<d p="0.001,1,25,0,0,0,50%25%2c1%2C%41,1" user="a &quot;b&quot;" extra="gift%3A1%0A">x</d>',
        '<d p="0.002,1,25,0,0,0,,2" user="" extra="">x</d>',
        '<d p="0.003,1,25,0,0,0,u,3" extra="100%">x</d>',
      ].join(''),
    );
    expect(
      parseRecording(xml).moments.map(({ at, comment }) => [at, comment.user, comment.name, comment.extra]),
    ).toEqual([
      [1, '50%,1,%41', 'a "b"', 'gift:1\n'],
      [2, '', undefined, undefined],
      [3, 'u', undefined, '100%'],
    ]);
  });

  it('has times in whole milliseconds', () => {
    const xml = recordingOf('<d p="15.399999618530273,1,25,0,0,0,u,1">x</d><d p="1.001,1,25,0,0,0,u,1">x</d>');
    expect(parseRecording(xml).moments.map(({ at }) => at)).toEqual([1_001, 15_400]);
  });

  it('is sorted by time, and comments of the same time keep their order', () => {
    const xml = recordingOf(
      ['20,1,25,0,0,0,u,1|late', '3.5,1,25,0,0,0,u,2|first', '3.5,1,25,0,0,0,u,3|second', '0,1,25,0,0,0,u,4|start']
        .map((line) => line.split('|'))
        .map(([p, text]) => `<d p="${p}">${text}</d>`)
        .join('\n'),
    );
    expect(textsOf(xml)).toEqual(['start', 'first', 'second', 'late']);
  });

  it.each([
    [1, 'scroll'],
    [4, 'bottom'],
    [5, 'top'],
    [6, 'scroll'],
  ])('shows mode %i as %s', (mode, expected) => {
    const { moments } = parseRecording(recordingOf(`<d p="1,${mode},25,0,0,0,u,1">x</d>`));
    expect(moments.map(({ comment }) => comment.mode)).toEqual([expected]);
  });

  it('leaves other modes out and counts each', () => {
    const elements = [7, 7, 8, 9, 2].map((mode) => `<d p="1,${mode},25,0,0,0,u,1">x</d>`);
    const { moments, leftOut } = parseRecording(recordingOf(elements.join('')));
    expect(moments).toEqual([]);
    expect(Object.fromEntries(leftOut)).toEqual({ 'mode 7': 2, 'mode 8': 1, 'mode 9': 1, 'mode 2': 1 });
  });

  it.each([
    ['no p', '<d>x</d>'],
    ['an empty p', '<d p="">x</d>'],
    ['too few fields', '<d p="1,1,25,0,0,0">x</d>'],
    ['a time that is not a number', '<d p="soon,1,25,0,0,0,u,1">x</d>'],
    ['an empty time', '<d p=",1,25,0,0,0,u,1">x</d>'],
    ['a negative time', '<d p="-1,1,25,0,0,0,u,1">x</d>'],
    ['an endless time', '<d p="Infinity,1,25,0,0,0,u,1">x</d>'],
    ['a size that is not a number', '<d p="1,1,big,0,0,0,u,1">x</d>'],
    ['a color that is not a number', '<d p="1,1,25,red,0,0,u,1">x</d>'],
    ['elements in its text', '<d p="1,1,25,0,0,0,u,1">a<b>c</b></d>'],
  ])('leaves out a comment with %s as malformed', (_, element) => {
    const { moments, leftOut } = parseRecording(recordingOf(element));
    expect(moments).toEqual([]);
    expect(Object.fromEntries(leftOut)).toEqual({ malformed: 1 });
  });

  it('keeps a size and a color that are out of range, for the server to refuse', () => {
    const { moments } = parseRecording(recordingOf('<d p="1,1,0,16777216,0,0,u,1">x</d>'));
    expect(moments[0]?.comment).toMatchObject({ size: 0, color: 16777216 });
  });

  it.each(['123', '007', '1.0', '0x10', 'true', 'null', '  a  b ', '   ', 'a\nb', '/n'])(
    'keeps the text %j',
    (text) => {
      expect(textsOf(recordingOf(withText(text)))).toEqual([text]);
    },
  );

  it.each([
    ['&lt;b&gt; &quot;&apos;&amp;', `<b> "'&`],
    ['&amp;lt;', '&lt;'],
    ['&#28450;&#x1F600;', '漢😀'],
    ['&nbsp;&unknown;', '&nbsp;&unknown;'],
    ['&#xD800;&#x110000;', '&#xD800;&#x110000;'],
    ['a&#8;b', 'a\bb'],
    ['<![CDATA[<raw> &amp; ]]>', '<raw> &amp; '],
    ['', ''],
  ])('decodes %j to %j', (encoded, text) => {
    expect(textsOf(recordingOf(withText(encoded)))).toEqual([text]);
  });

  it('may be empty', () => {
    expect(parseRecording('<i/>').moments).toEqual([]);
  });

  it.each([
    ['', 'it is not well-formed XML (line 1: Start tag expected)'],
    ['{"a":1}', `it is not well-formed XML (line 1, column 1: char '{' is not expected)`],
    ['<i>\n<d p="1">cut', 'it is not well-formed XML (elements are not closed, as in a file that is cut off)'],
    ['<html></html>', 'it has no root element <i>, so it is no Bilibili recording'],
  ])('is refused when it reads %j', (xml, message) => {
    expect(() => parseRecording(xml)).toThrow(new RecordingError(message));
  });
});

describe('the real recordings', () => {
  const recordings = [
    {
      name: 'live-mikunoshoushitsu.xml',
      elements: 2_674,
      comments: 1_111,
      leftOut: { 'mode 7': 1_563 },
      modes: { scroll: 996 + 58, bottom: 38, top: 19 },
    },
    {
      name: 'live-comment.xml',
      elements: 1_386,
      comments: 1_386,
      leftOut: {},
      modes: { scroll: 1_202, bottom: 110, top: 74 },
    },
  ].map((recording) => ({ ...recording, path: new URL(`../../shared/data/${recording.name}`, import.meta.url) }));

  for (const { name, path, elements, comments, leftOut, modes } of recordings) {
    const isMissing = !existsSync(path);
    it.skipIf(isMissing)(`${name} has ${elements} comments${isMissing ? ' (skipped: no ../shared/data)' : ''}`, () => {
      const recording = parseRecording(readFileSync(path, 'utf8'));
      const { moments } = recording;
      expect(moments).toHaveLength(comments);
      expect(Object.fromEntries(recording.leftOut)).toEqual(leftOut);
      expect(moments.length + [...recording.leftOut.values()].reduce((sum, n) => sum + n, 0)).toBe(elements);
      for (const [mode, count] of Object.entries(modes)) {
        expect(moments.filter(({ comment }) => comment.mode === mode)).toHaveLength(count);
      }
      expect(moments.every(({ at }, index) => at >= (moments[index - 1]?.at ?? 0))).toBe(true);
    });
  }
});
