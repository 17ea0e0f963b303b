import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const FLAGS = ['--pdeathsig', 'TERM'];

/**
 * The program and arguments to start instead, so that Linux sends SIGTERM to `file` when its parent ends, even by
 * SIGKILL; the process is the same, `setpriv` of util-linux becomes `file`. Where that is not installed, what was given.
 */
export async function withDeathSignal(file: string, args: readonly string[]): Promise<[string, readonly string[]]> {
  try {
    await promisify(execFile)('setpriv', [...FLAGS, 'true']);
  } catch {
    return [file, args];
  }
  return ['setpriv', [...FLAGS, file, ...args]];
}
