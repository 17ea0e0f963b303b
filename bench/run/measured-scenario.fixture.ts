import { expect } from 'vitest';
import type { BenchDocument, RunDocument } from '../report/document.ts';
import { expectShape } from '../report/document-shape.fixture.ts';
import { runBench } from './bench-process.fixture.ts';

/** Runs the command, which must succeed, and checks what holds for every run. */
export async function measure(line: string): Promise<BenchDocument & { readonly run: RunDocument }> {
  const { code, stdout, stderr } = await runBench(`--json ${line}`);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const document = JSON.parse(stdout) as BenchDocument;
  expect(document).toMatchObject({ schemaVersion: 1, interrupted: false });
  expectShape(document, 'bench', document.scenario);
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
