import { existsSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkComment } from '../src/comment-check.ts';
import { decodeRecording, parseRecording, RecordingError } from './bilibili-xml.ts';

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
      { at: 15_400, line: 1, comment: { text: '弾幕', mode: 'top', color: 16711935, size: 18, user: 'b82a51a3' } },
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
    [2, 'scroll'],
    [3, 'scroll'],
    [4, 'bottom'],
    [5, 'top'],
    [6, 'scroll'],
  ])('shows mode %i as %s', (mode, expected) => {
    const { moments, changed } = parseRecording(recordingOf(`<d p="1,${mode},25,0,0,0,u,1">x</d>`));
    expect(moments.map(({ comment }) => comment.mode)).toEqual([expected]);
    expect(changed.size).toBe(0);
  });

  it('leaves out modes whose text is a program, and counts each', () => {
    const elements = [7, 7, 8, 9].map((mode) => `<d p="1,${mode},25,0,0,0,u,1">x</d>`);
    const { moments, leftOut } = parseRecording(recordingOf(elements.join('')));
    expect(moments).toEqual([]);
    expect(Object.fromEntries(leftOut)).toEqual({ 'mode 7': 2, 'mode 8': 1, 'mode 9': 1 });
  });

  it.each([
    ['no p', '<d>x</d>'],
    ['an empty p', '<d p="">x</d>'],
    ['a time that is not a number', '<d p="soon,1,25,0,0,0,u,1">x</d>'],
    ['an empty time', '<d p=",1,25,0,0,0,u,1">x</d>'],
    ['an endless time', '<d p="Infinity,1,25,0,0,0,u,1">x</d>'],
  ])('leaves out a comment with %s as malformed', (_, element) => {
    const { moments, leftOut } = parseRecording(recordingOf(element));
    expect(moments).toEqual([]);
    expect(Object.fromEntries(leftOut)).toEqual({ malformed: 1 });
  });

  it.each(['', '/', ' ', '\n', '&#8;', '\u3000\u200b', '\u2800'])(
    'leaves out a comment with nothing to see: %j',
    (text) => {
      const element = text === '/' ? '<d p="1,1,25,0,0,0,u,1"/>' : withText(text);
      const { moments, leftOut } = parseRecording(recordingOf(element));
      expect(moments).toEqual([]);
      expect(Object.fromEntries(leftOut)).toEqual({ 'nothing to see': 1 });
    },
  );

  it.each(['123', '007', '1.0', '0x10', 'true', 'null', '  a  b ', '/n', 'a\u200db', '❤\ufe0f'])(
    'keeps the text %j',
    (text) => {
      expect(textsOf(recordingOf(withText(text)))).toEqual([text]);
    },
  );

  it.each([
    ['&lt;b&gt; &quot;&apos;&amp;', `<b> "'&`],
    ['&amp;lt;&amp;#65;', '&lt;&#65;'],
    ['&#28450;&#x1F600;&#x00041;', '漢😀A'],
    ['&nbsp;&unknown;&#;&#x;', '&nbsp;&unknown;&#;&#x;'],
    ['&#55357;&#56832;&#xD83D;&#xde01;a&#xd83d;&#56834;', '😀😁a😂'],
    ['&#55357;a&#xDE00;&#x110000;', '&#55357;a&#xDE00;&#x110000;'],
    ['&#65;&#55357;&#55357;&#56832;', 'A&#55357;😀'],
    ['<![CDATA[<raw> &amp; </d> ]]>', '<raw> &amp; </d> '],
    ['a<!-- not said -->b', 'ab'],
  ])('decodes %j to %j', (encoded, text) => {
    expect(textsOf(recordingOf(withText(encoded)))).toEqual([text]);
  });

  it.each([
    ['up\ndown', 'up down'],
    ['\r\n  tail\r\n', 'tail'],
    ['a&#13;&#10;b&#9;c', 'a b c'],
    ['\bbell\u0000', 'bell'],
    ['a\u0085b\u2028c\u2029d', 'a b c d'],
  ])('makes one line of %j: %j', (text, line) => {
    const { moments, changed } = parseRecording(recordingOf(withText(text)));
    expect(moments.map(({ comment }) => comment.text)).toEqual([line]);
    expect(Object.fromEntries(changed)).toEqual({ text: 1 });
  });

  it.each([
    ['size', [0, -3, '', 'big', 0.4].map((size) => [size, 25])],
    [
      'size',
      [
        [256, 255],
        [1e9, 255],
        [25.5, 26],
      ],
    ],
    ['color', [4_294_967_295, -1, 16_777_216, 1e12, '', 'red', '-16777217'].map((color) => [color, 0xffffff])],
    [
      'color',
      [
        [0xff00ff00, 0x00ff00],
        [-65_536, 0xff0000],
        [255.5, 255],
      ],
    ],
    ['mode', [0, -1, 10, '', 'left', 1.5].map((mode) => [mode, 'scroll'])],
  ])('brings a %s that is out of range into it: %j', (what, cases) => {
    for (const [given, expected] of cases) {
      const fields = { time: 1, mode: 1, size: 25, color: 0, [what]: given };
      const { moments, changed } = parseRecording(recordingOf(`<d p="${Object.values(fields)},0,0,u,1">x</d>`));
      expect(moments[0]?.comment, `${what} ${given}`).toMatchObject({ [what]: expected });
      expect(Object.fromEntries(changed)).toEqual({ [what]: 1 });
    }
  });

  it('takes what was said before the start for the start', () => {
    const { moments, changed } = parseRecording(recordingOf('<d p="-0.2,1,25,0,0,0,u,1">x</d>'));
    expect(moments[0]?.at).toBe(0);
    expect(Object.fromEntries(changed)).toEqual({ time: 1 });
  });

  it('cuts names and users that are too long, and has no extra that is', () => {
    const element = `<d p="1,1,25,0,0,0,${'u'.repeat(70)},1" user="${'😀'.repeat(40)}" extra="${'x'.repeat(513)}">x</d>`;
    const { moments, changed } = parseRecording(recordingOf(element));
    expect(moments[0]?.comment).toMatchObject({ user: 'u'.repeat(64), name: '😀'.repeat(32) });
    expect(moments[0]?.comment).not.toHaveProperty('extra');
    expect(Object.fromEntries(changed)).toEqual({ user: 1, name: 1, extra: 1 });
  });

  it('needs no more of p than its time', () => {
    expect(parseRecording('<i><d p="1.5">x</d></i>').moments[0]?.comment).toEqual({
      ...{ text: 'x', mode: 'scroll', color: 0xffffff, size: 25, user: '' },
    });
  });

  it('of version 2.0 has its fields in another order, and ms', () => {
    const d = '<d p="34656419668557827,0,61486,5,18,41194,1593244049,0,3dbb2ac3">x</d>';
    const { moments } = parseRecording(`<?xml version="2.0" encoding="UTF-8"?><i><oid>1</oid>${d}</i>`);
    const comment = { text: 'x', mode: 'top', color: 41_194, size: 18, user: '3dbb2ac3' };
    expect(moments).toEqual([{ at: 61_486, line: 1, comment }]);
    expect(parseRecording(`<i version="2.0">${d}</i>`).moments).toEqual(moments);
  });

  it('counts what recorders write beside comments, by kind', () => {
    const { moments, leftOut, others } = parseRecording(
      recordingOf(
        [
          '<gift ts="1.0" user="a" giftname="b" giftcount="1"/><gift ts="2" user="a"></gift>',
          '<guard ts="1" user="a" level="3" count="1" /><sc ts="1" user="a" price="30">read <this</sc>',
          '<toast ts="1" user="a">joined</toast><like ts="3" user="a"/>',
          '<s timestamp="1" type="gift">x</s><s type="guard_buy">x</s><s type="super_chat">x</s><o timestamp="1">{}</o>',
        ].join('\n'),
      ),
    );
    expect(moments).toEqual([]);
    expect(leftOut.size).toBe(0);
    expect(Object.fromEntries(others)).toEqual({ gift: 3, guard: 2, 'super chat': 2, toast: 1, like: 1, other: 1 });
  });

  it('may be empty', () => {
    expect(parseRecording('<i/>').moments).toEqual([]);
  });

  it.each(['', '{"a":1}', '<html><i>x</i></html>', '<svg/>', '<p><s>x</s></p>'])('is not what reads %j', (xml) => {
    expect(() => parseRecording(xml)).toThrow(RecordingError);
  });
});

describe('a damaged recording', () => {
  const good = (text: string) => `<d p="1,1,25,16777215,0,0,u,1" user="a">${text}</d>`;

  it.each([
    ['has no end', `<i>\n${good('first')}\n${good('second')}`, ['first', 'second'], 0],
    ['ends in an attribute', `<i>\n${good('first')}\n<d p="0.300,1,25,167`, ['first'], 1],
    ['ends in an attribute, with an end', `<i>\n${good('first')}\n<d p="0.300,1,25,167\n</i>`, ['first'], 1],
    ['ends in a tag', `<i>${good('first')}<d p="1,1,25,0,0,0,u,1" us`, ['first'], 1],
    ['ends in a text', `<i>${good('first')}<d p="1,1,25,0,0,0,u,1">thi`, ['first'], 1],
    ['ends in a text, with an end', `<i>${good('first')}<d p="1,1,25,0,0,0,u,1">thi</i>\n`, ['first'], 1],
    ['ends in an end tag', `<i>${good('first')}<d p="1,1,25,0,0,0,u,1">second</d`, ['first', 'second'], 0],
    ['ends in NULs', `<i>${good('first')}\0\0\0\0`, ['first'], 0],
    ['goes on after a lost text', `<i><d p="1,1,25,0,0,0,u,1">thi\n${good('next')}</i>`, ['next'], 1],
    ['goes on after a lost attribute', `<i><d p="1,1,25,0\n${good('next')}</i>`, ['next'], 1],
    [
      'has bare & and <',
      `<i>${good('a & b < c <3 a<b &&')}${good('<唯亿一张>')}</i>`,
      ['a & b < c <3 a<b &&', '<唯亿一张>'],
      0,
    ],
    ['has elements in a text', `<i>${good('a <b>c</b> <i>')}${good('d')}</i>`, ['a <b>c</b> <i>', 'd'], 0],
    ['has quotes in a name', `<i><d p="1,1,25,0,0,0,u,1" user="say "hi"" raw="a>b">x</d></i>`, ['x'], 0],
    ['has < in a name', `<i><d p="1,1,25,0,0,0,u,1" user="<3 a>b">x</d></i>`, ['x'], 0],
    ['is two files', `<i>${good('a')}</i>\n<?xml version="1.0"?>\n<i>${good('b')}</i>`, ['a', 'b'], 0],
    ['is two files, one cut off', `<i><d p="1,1,25,1<?xml version="1.0"?><i>${good('b')}</i>`, ['b'], 1],
    ['is two files, cut in a text', `<i><d p="1,1,25,1">x<?xml version="1.0"?><i>${good('b')}</i>`, ['b'], 1],
    ['is two files, cut in a comment', `<i><!-- recorded by<?xml version="1.0"?><i>${good('b')}<!-- --></i>`, ['b'], 0],
    ['has elements beside <i>', `<tool>x</tool><i>${good('a')}</i>${good('b')}<more/>`, ['a', 'b'], 0],
    ['has lost its head', `25,0,0,0,u,1">x</d>${good('a')}</i>`, ['a'], 0],
    ['begins with a blank line', `\n\n <?xml version="1.0"?><i>${good('a')}</i>`, ['a'], 0],
    ['has a declaration for every line', `<i><?xml version='1.0'?>\n${good('a')}</i>`, ['a'], 0],
    ['opens CDATA and leaves it open', `<i>${good('<![CDATA[a')}${good('<![CDATA[b]]>')}</i>`, ['<![CDATA[a', 'b'], 0],
  ])('that %s gives every comment that can be read', (_, xml, texts, lost) => {
    expect(textsOf(xml)).toEqual(texts);
    expect(Object.fromEntries(parseRecording(xml).leftOut)).toEqual(lost === 0 ? {} : { 'cut off': lost });
  });

  it('has no comment of what is commented out', () => {
    expect(textsOf(`<i><!-- ${good('a')} -->${good('b')}</i>`)).toEqual(['b']);
  });

  it('reads each part in the order of fields of its own version', () => {
    const second = '<?xml version="2.0"?><i><d p="7,0,2500,1,25,0,0,0,u">b</d></i>';
    const { moments } = parseRecording(
      `<?xml version="1.0"?><i>${good('a')}</i>${second}<?xml version="1.0"?>${good('c')}`,
    );
    expect(moments.map(({ at, comment }) => [at, comment.text])).toEqual([
      [1_000, 'a'],
      [1_000, 'c'],
      [2_500, 'b'],
    ]);
  });

  it('gives nothing that a server would not take, whatever is in it', () => {
    const pieces = [
      '<i>',
      '</i>',
      '<d p="',
      '1,1,25,0',
      ',,,,',
      '"',
      " user='",
      "'",
      '>',
      '</d>',
      '<',
      '&',
      '&#55357;',
      '&#8;',
    ];
    const more = [
      '<?xml version="2.0"?>',
      '<![CDATA[',
      ']]>',
      '<!--',
      '-->',
      '\n',
      '😀',
      'x'.repeat(40),
      '\0',
      '-9',
      '<gift ts="1"/>',
    ];
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...pieces, ...more), { maxLength: 60 }), (parts) => {
        const { moments } = parseRecording(`<i>${parts.join('')}`);
        for (const { at, comment } of moments) {
          expect(at).toBeGreaterThanOrEqual(0);
          expect(checkComment(comment, 1_000_000, 'full')).toBeTypeOf('object');
        }
      }),
      { numRuns: 2_000 },
    );
  });

  it('tells whether it has an end', () => {
    for (const end of ['</i>', '</i >\n\0\0', '</i><!-- merged -->'])
      expect(parseRecording(`<i>${good('a')}${end}`).hasEnd).toBe(true);
    for (const end of ['', '</', '<d p="1']) expect(parseRecording(`<i>${good('a')}${end}`).hasEnd).toBe(false);
    expect(parseRecording('<i/>').hasEnd).toBe(true);
  });

  it('says what became of the first ten, and on which lines', () => {
    const bad = Array.from({ length: 12 }, () => '<d>x</d>');
    const { notes } = parseRecording(
      `<i>\n${good('a')}\n<d p="1,7,0">[]</d>\n<d p="1,1,0,-1">x</d>\n${bad.join('\n')}`,
    );
    expect(notes).toHaveLength(10);
    expect(notes.slice(0, 3)).toEqual([
      'line 3: <d> left out: mode 7',
      'line 4: color -1 became 16777215; size 0 became 25',
      'line 5: <d> left out: malformed',
    ]);
  });
});

describe('the text of a recording', () => {
  const xml = '<?xml version="1.0" encoding="LABEL"?><i><d p="1,1,25,0,0,0,u,1">弹幕</d></i>';
  const le = Buffer.from(xml, 'utf16le');

  it.each([
    ['UTF-8', Buffer.from(xml)],
    ['UTF-8 with a byte order mark', Buffer.from(`\ufeff${xml}`)],
    ['UTF-8 that says it is UTF-16', Buffer.from(xml.replace('LABEL', 'utf-16'))],
    ['UTF-8 that says it is GBK', Buffer.from(xml.replace('LABEL', 'gbk'))],
    ['UTF-16 LE', le],
    ['UTF-16 LE with a byte order mark', Buffer.concat([Buffer.of(0xff, 0xfe), le])],
    ['UTF-16 BE', Buffer.from(le).swap16()],
    ['GB 18030', encodedAs('gb18030', 0xb5, 0xaf, 0xc4, 0xbb)],
    ['Big5, in Chinese only', encodedAs('big5', 0xbc, 0x75, 0xb9, 0xf5), '彈幕'],
  ])('is read as %s', (_, bytes, text = '弹幕') => {
    expect(textsOf(decodeRecording(bytes))).toEqual([text]);
  });

  it('may be cut off within a character', () => {
    const bytes = Buffer.from(`${xml.slice(0, -4)}<d p="2,1,25,0,0,0,u,1">神`).subarray(0, -1);
    expect(textsOf(decodeRecording(bytes))).toEqual(['弹幕']);
  });

  it('in an encoding that nobody knows is read as far as that goes', () => {
    expect(textsOf(decodeRecording(encodedAs('klingon', 0xff, 0x21)))).toEqual(['\ufffd!']);
  });

  function encodedAs(label: string, ...bytes: number[]): Buffer {
    const [head = '', tail = ''] = xml.replace('LABEL', label).split('弹幕');
    return Buffer.concat([Buffer.from(head), Buffer.from(bytes), Buffer.from(tail)]);
  }
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
