import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TurnQueue } from '../turn-queue.ts';
import { largestComment, parseComments } from './comment-list.ts';

const MOST = 1_000;
const MAX_TEXT = 200;

const TOO_LARGE = { code: 'TOO_LARGE' };

/** Parses a body, and gives its values as they are. */
function parse(body: string | Buffer, turns = new TurnQueue()): Promise<unknown> {
  const bytes = typeof body === 'string' ? Buffer.from(body) : body;
  return parseComments<unknown>(bytes, (value) => value, { most: MOST, maxText: MAX_TEXT, turns });
}

/** What `JSON.parse` makes of a body: the values of a list, or that it is none. */
function parseWhole(body: string): unknown {
  try {
    const value: unknown = JSON.parse(body);
    if (!Array.isArray(value)) return [value];
    return value.length === 0 ? 'EMPTY_ARRAY' : value;
  } catch {
    return 'NOT_JSON';
  }
}

/** White space that makes a body so long that it is parsed by turns. */
const LONG = ' '.repeat(20_000);

const value = fc.oneof(
  fc.json({ maxDepth: 3 }),
  fc
    .string({ unit: fc.constantFrom('"', '\\', ',', '[', ']', '{', '}', 'é', '😀', '\u2028'), maxLength: 30 })
    .map((text) => JSON.stringify(text)),
);

const space = fc.string({ unit: fc.constantFrom(' ', '\n', '\r', '\t'), maxLength: 3 });

describe('a long body', () => {
  it('gives the values that JSON.parse gives', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(space, value, space), { maxLength: 20 }), space, async (values, end) => {
        const body = `${end}[${values.map((parts) => parts.join('')).join()}${LONG}]${end}`;
        expect(await parse(body)).toEqual(parseWhole(body));
      }),
    );
  });

  it('that is not valid is refused, wherever it is broken', async () => {
    const good = `[${'{"text":"a, \\"b\\" ]"} ,[1,{"a":[]}], "x\\\\",\n'.repeat(300)}null]`;
    expect(await parse(good)).toEqual(parseWhole(good));
    await fc.assert(
      fc.asyncProperty(
        fc.nat(good.length),
        fc.nat(6),
        fc.constantFrom('', ',', '"', '\\', '[', ']', '{', '}', ' ', 'x', '1'),
        async (at, length, put) => {
          const body = good.slice(0, at) + put + good.slice(at + length);
          expect(await parse(body)).toEqual(parseWhole(body));
        },
      ),
      { numRuns: 400 },
    );
  });

  it.each([
    ['nothing', ''],
    ['no end', '1,2'],
    ['something behind its end', '1],'],
    ['another array behind it', '1][2]'],
    ['a comma at its end', '1,]'],
    ['a bracket of the other kind', '1}'],
    ['a text without an end', '"]'],
    ['a byte order mark inside', '\ufeff1]'],
  ])('with %s is not JSON', async (_, rest) => {
    expect(await parse(`[${LONG}${rest}`)).toBe('NOT_JSON');
  });

  it('may be an empty array, or begin with a byte order mark', async () => {
    expect(await parse(`[${LONG}]`)).toBe('EMPTY_ARRAY');
    expect(await parse(`\ufeff[${LONG}1, 2]`)).toEqual([1, 2]);
  });

  it('must be UTF-8', async () => {
    const bytes = Buffer.concat([Buffer.from(`["${LONG}`), Buffer.from([0xff]), Buffer.from('"]')]);
    expect(await parse(bytes)).toEqual([TOO_LARGE]);
    expect(await parse(Buffer.concat([Buffer.from(`[${LONG}"`), Buffer.from([0xc3]), Buffer.from('"]')]))).toBe(
      'NOT_UTF8',
    );
  });

  it('has no more comments than one request may have', async () => {
    const most = `[${Array(MOST).fill('{"text":"0123456789"}').join()}]`;
    expect(await parse(most)).toHaveLength(MOST);
    expect(await parse(`${most.slice(0, -1)},1]`)).toBe('TOO_MANY');
    expect(await parse(`[${'1,'.repeat(400_000)}1]`)).toBe('TOO_MANY');
  });

  it('has comments that are too large among others, each refused on its own and never parsed', async () => {
    const large = JSON.stringify('x'.repeat(largestComment(MAX_TEXT)));
    const fits = JSON.stringify('x'.repeat(largestComment(MAX_TEXT) - 2));
    expect(await parse(`[1,${large},2,${fits},{"broken${' '.repeat(30_000)}"},${large},3]`)).toEqual([
      1,
      TOO_LARGE,
      2,
      JSON.parse(fits),
      TOO_LARGE,
      TOO_LARGE,
      3,
    ]);
  });

  it('that is one comment is too large on its own', async () => {
    expect(await parse(JSON.stringify({ text: 'x'.repeat(largestComment(MAX_TEXT)) }))).toBe('TOO_LARGE');
    expect(await parse('['.repeat(1_000_000))).toBe('NOT_JSON');
  });

  it('is parsed by turns of the loop, 16 KB in each', async () => {
    const turns = new TurnQueue();
    const next = turns.next.bind(turns);
    let waits = 0;
    turns.next = () => {
      waits += 1;
      return next();
    };
    const comment = JSON.stringify({ text: 'x'.repeat(1_000) });
    await parse(`[${Array(MOST).fill(comment).join()}]`, turns);
    expect(waits).toBeGreaterThanOrEqual(Math.floor((MOST * comment.length) / 17_500));
    waits = 0;
    await parse(`["${'x'.repeat(1_000_000)}"]`, turns);
    expect(waits).toBeGreaterThanOrEqual(3);
  });
});

describe('a short body', () => {
  it.each(['{"text":"a"}', '[]', '[1,2]', 'null', '', '[1,', '{"a":1'])(
    '%j is what JSON.parse makes of it',
    async (body) => {
      expect(await parse(body)).toEqual(parseWhole(body));
    },
  );
});
