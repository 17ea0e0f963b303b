import { execFileSync } from 'node:child_process';
import { availableParallelism, cpus, release, totalmem, type } from 'node:os';
import { dirname } from 'node:path';
import { readVersion } from '../../src/cli/version.ts';
import { compiledFile } from '../../src/compiled-file.ts';
import type { MachineDocument } from './bench-document.ts';

/** The machine and the programs that figures come from. */
export function describeMachine(): MachineDocument {
  return {
    cpuModel: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memoryBytes: totalmem(),
    kernel: `${type()} ${release()}`,
    node: process.version,
    volley: readVersion(),
    commit: readCommit(),
  };
}

/** The commit that is checked out; null where git or a checkout is missing. */
function readCommit(): string | null {
  try {
    const args = ['describe', '--always', '--dirty', '--abbrev=12', '--match', ''];
    return execFileSync('git', args, {
      cwd: dirname(compiledFile('.')),
      encoding: 'utf8',
      // Looking must not write the index.
      env: { ...process.env, GIT_OPTIONAL_LOCKS: '0' },
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  } catch {
    // No git, or no checkout: an installed package has neither.
    return null;
  }
}
