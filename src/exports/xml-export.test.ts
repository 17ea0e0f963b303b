import fc from 'fast-check';
import { XMLValidator } from 'fast-xml-parser';
import { describe, expect, it } from 'vitest';
import { parseRecording } from '../../scripts/bilibili-xml.ts';
import { type Comment, isVisible } from '../comment.ts';
import { runs } from '../testing/properties.ts';
import { AT, anyComments, commentOf } from './comments.fixture.ts';
import { XmlExport } from './xml-export.ts';

const HEAD = '<?xml version="1.0" encoding="UTF-8"?><i><chatserver>volley</chatserver><chatid>lobby</chatid>\n';

/** The whole document, its comments handed over in pieces of three. */
function documentOf(comments: readonly Comment[], origin: number | null = null): string {
  const format = new XmlExport('lobby', origin);
  let text = format.head;
  for (let i = 0; i < comments.length; i += 3) text += format.render(comments.slice(i, i + 3));
  return text + format.foot;
}

/** What XML 1.0 cannot hold comes back as U+FFFD. */
function inXml(text: string): string {
  return text.toWellFormed().replace(/[\ufffe\uffff]/g, '\ufffd');
}

/** Whether the texts are such as a server takes, but for lone surrogates, and on one line. */
function isTaken({ text, user, name }: Comment): boolean {
  return isVisible(text) && !/[\p{Cc}\u2028\u2029]/u.test(text + user + name);
}

describe('the XML export', () => {
  it('is what Bilibili records, with name and extra beside it', () => {
    const comments = [
      commentOf('hello', { id: '1.0', user: 'u1', at: AT + 999 }),
      commentOf('神 <b>', { id: '1.1', mode: 'top', color: 255, size: 30, name: 'a "b"', at: AT + 1_250 }),
      commentOf('x', { id: '2.0', mode: 'bottom', user: '50%,1', extra: 'gift:1 & 2', at: AT + 3_600_999 }),
    ];
    expect(documentOf(comments)).toBe(
      [
        `${HEAD}<d p="0.000,1,25,16777215,1764000000,0,u1,1.0">hello</d>`,
        '<d p="0.251,5,30,255,1764000001,0,,1.1" user="a &quot;b&quot;">神 &lt;b&gt;</d>',
        '<d p="3600.000,4,25,16777215,1764003600,0,50%25%2C1,2.0" extra="gift%3A1%20%26%202">x</d>',
        '</i>\n',
      ].join('\n'),
    );
  });

  it('without a comment is a recording without one', () => {
    expect(documentOf([])).toBe(`${HEAD}</i>\n`);
    expect(parseRecording(documentOf([])).moments).toEqual([]);
  });

  it('counts time from its origin, and never below 0', () => {
    const comments = [commentOf('a'), commentOf('b', { at: AT - 10 }), commentOf('c', { at: AT + 10 })];
    const times = (origin: number | null) => documentOf(comments, origin).match(/(?<=p=")[^,]*/g);
    expect(times(null)).toEqual(['0.000', '0.000', '0.010']);
    expect(times(AT - 90_000)).toEqual(['90.000', '89.990', '90.010']);
  });

  it('is well-formed whatever is in a comment', () => {
    fc.assert(
      fc.property(anyComments, (comments) => {
        expect(XMLValidator.validate(documentOf(comments))).toBe(true);
      }),
      { numRuns: runs(250) },
    );
  });

  it('is read back as the same comments', () => {
    fc.assert(
      fc.property(anyComments, fc.option(fc.integer({ min: 0, max: AT })), (any, origin) => {
        const comments = any.filter(isTaken);
        const { moments, leftOut, changed } = parseRecording(documentOf(comments, origin));
        expect([...leftOut, ...changed]).toEqual([]);
        const start = origin ?? comments[0]?.at ?? 0;
        expect(moments.map(({ at, comment }) => ({ at, comment }))).toEqual(
          comments.map(({ at, text, mode, color, size, user, name, extra }) => ({
            at: at - start,
            comment: {
              text: inXml(text),
              mode,
              color,
              size,
              user: inXml(user),
              ...(name === '' ? {} : { name: inXml(name) }),
              ...(extra === undefined ? {} : { extra: extra.toWellFormed() }),
            },
          })),
        );
      }),
      { numRuns: runs(250) },
    );
  });
});
