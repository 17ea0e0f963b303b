import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AckReader } from './answers.ts';

function read(text: string): { ref: number; seq: number } | false {
  const reader = new AckReader();
  const bytes = Buffer.from(`before${text}after`);
  const taken = reader.read(bytes, 6, bytes.length - 5);
  return taken && { ref: reader.ref, seq: reader.seq };
}

describe('an ack', () => {
  it('is read as JSON would read it', () => {
    const number = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
    fc.assert(
      fc.property(number, number, fc.nat(), (ref, seq, place) => {
        const ack = { type: 'ack', ref: String(ref), id: `${seq}.${place}`, seq };
        expect(read(JSON.stringify(ack))).toEqual({ ref, seq });
      }),
    );
  });

  it.each([
    ['{"type":"ack","id":"42.7","seq":42}'],
    ['{"type":"ack","ref":"a1","id":"42.7","seq":42}'],
    ['{"type":"ack","ref":"1","id":"42","seq":42}'],
    ['{"type":"ack","ref":"1","id":"42.7"'],
    ['{"type":"ack","ref":"1","id":"42.'],
    ['{"type":"ack","ref":"1'],
    ['{"type":"presence","seq":1,"viewers":2}'],
    [''],
  ])('%s is left to JSON', (text) => {
    expect(read(text)).toBe(false);
  });
});
