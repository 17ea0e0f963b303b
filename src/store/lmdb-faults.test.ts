import { constants } from 'node:os';
import { expect, it } from 'vitest';
import { VolleyError } from '../codes.ts';
import { damagedFault, openFault } from './lmdb-faults.ts';

it.each([
  ['ENOSPC', 'STORE_DENIED', /disk is full/],
  [28, 'STORE_DENIED', /disk is full/],
  [constants.errno.EDQUOT, 'STORE_DENIED', /quota/],
  ['EACCES', 'STORE_DENIED', /this user may not/],
  [30, 'STORE_DENIED', /read-only/],
  ['ENOLCK', 'STORE_DENIED', /gives no locks/],
  ['ENOTDIR', 'STORE_FOREIGN', /something else stands in its place/],
  [-30_793, 'STORE_DENIED', /: what it says$/],
  [undefined, 'STORE_DENIED', /: what it says$/],
])('an error with code %s is told as %s', (code, fault, sentence) => {
  const cause = Object.assign(new Error('what it says'), { code });
  const error = openFault('/data', cause);
  expect(error).toMatchObject({ code: fault, message: expect.stringMatching(sentence) });
  expect(error.message).toContain('/data');
});

it("an error of Node's own is told by its number where it has no name", () => {
  const cause = Object.assign(new Error('unknown'), { code: 'Unknown system error', errno: -constants.errno.EDQUOT });
  expect(openFault('/data', cause)).toMatchObject({ message: expect.stringMatching(/quota/) });
});

it('a fault stays what it is', () => {
  const fault = damagedFault('/data', 'is empty');
  expect(fault).toBeInstanceOf(VolleyError);
  expect(openFault('/other', fault)).toBe(fault);
});
