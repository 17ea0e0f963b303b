import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { settle } from '../testing/clock.ts';
import { OrderedJobs } from './link.ts';

describe('OrderedJobs', () => {
  it('runs a job at once while nothing waits', () => {
    const ran: number[] = [];
    const jobs = new OrderedJobs();
    jobs.add(() => {
      ran.push(1);
    });
    expect(ran).toStrictEqual([1]);
  });

  it('lets nothing pass a job that takes its time, whichever is ready first', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.option(fc.nat(5)), { maxLength: 12 }), async (turns) => {
        const ran: number[] = [];
        const jobs = new OrderedJobs();
        for (const [i, wait] of turns.entries()) {
          jobs.add(
            wait === null
              ? () => {
                  ran.push(i);
                }
              : async () => {
                  for (let k = 0; k < wait; k += 1) await Promise.resolve();
                  ran.push(i);
                },
          );
        }
        await settle();
        expect(ran).toStrictEqual(turns.map((_, i) => i));
      }),
      { numRuns: 50 },
    );
  });

  it('runs a job that a job adds after those that wait', async () => {
    const ran: string[] = [];
    const jobs = new OrderedJobs();
    jobs.add(async () => {
      jobs.add(() => {
        ran.push('added');
      });
      ran.push('first');
    });
    jobs.add(() => {
      ran.push('second');
    });
    await settle();
    expect(ran).toStrictEqual(['first', 'added', 'second']);
  });

  it('forgets what has not begun, and goes on with what comes after', async () => {
    const ran: string[] = [];
    const jobs = new OrderedJobs();
    jobs.add(() => Promise.resolve());
    jobs.add(() => {
      ran.push('forgotten');
    });
    jobs.clear();
    jobs.add(() => {
      ran.push('later');
    });
    await settle();
    expect(ran).toStrictEqual(['later']);
  });
});
