import { expect } from 'vitest';
import { type BenchProcessOptions, runBench } from '../cli/bench-process.fixture.ts';
import type { BenchDocument, RunDocument } from '../report/bench-document.ts';

/** Runs the command, which must succeed, and checks what holds for every run. */
export async function measure(
  line: string,
  options: BenchProcessOptions = {},
): Promise<BenchDocument & { readonly run: RunDocument }> {
  const { code, stdout, stderr } = await runBench(`--json ${line}`, options);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const document = JSON.parse(stdout) as BenchDocument;
  expect(document).toMatchObject({ schemaVersion: 1, interrupted: false });
  for (const run of document.runs) {
    expect(run.delivered.frames).toBeGreaterThan(0);
    expect(run).toMatchObject({
      lostFrames: 0,
      outOfOrderFrames: 0,
      skippedMessages: 0,
      faults: [],
      failedConnects: 0,
    });
    expect(run.comments.accepted).toBeGreaterThan(0);
    expect(run.comments.refusedByCode).toEqual({});
  }
  const [run] = document.runs;
  if (run === undefined) throw new Error('no run');
  return { ...document, run };
}
