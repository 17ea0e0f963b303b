import { execFile } from 'node:child_process';
import { compiledFile } from '../../src/compiled-file.ts';

const DEADLINE_MS = 120_000;

interface Ended {
  readonly code: number | string | null | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the compiled benchmarks in a process of their own. */
export function runMicro(...options: string[]): Promise<Ended> {
  const file = compiledFile('bench/micro.js');
  return new Promise((resolve) => {
    execFile(process.execPath, [file, ...options], { timeout: DEADLINE_MS }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : error.code, stdout, stderr });
    });
  });
}
