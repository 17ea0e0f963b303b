import { execFileSync } from 'node:child_process';
import { cpus, release, totalmem } from 'node:os';
import { compiledFile } from '../../src/compiled-file.ts';

/** Where figures come from, as text. */
export interface Provenance {
  /** CPU model, cores, memory, kernel. */
  readonly machine: string;
  readonly node: string;
  /** Of this checkout, with `dirty` when files differ from it; what is not known is said. */
  readonly commit: string;
  /** Day and time, UTC. */
  readonly date: string;
  /** What was typed. */
  readonly command: string;
}

/**
 * Gathers it.
 * @param command the program and its arguments, as they were given
 * @param page a file whose change does not make the checkout dirty, since this run writes it
 */
export function readProvenance(command: readonly string[], page: string): Provenance {
  const processors = cpus();
  const memory = (totalmem() / 2 ** 30).toFixed(0);
  return {
    machine: `${processors[0]?.model ?? 'unknown CPU'}, ${processors.length} cores, ${memory} GiB of memory, Linux ${release()}`,
    node: process.version,
    commit: readCommit(page),
    date: `${new Date().toISOString().slice(0, 16).replace('T', ' ')} UTC`,
    command: command.map(quote).join(' '),
  };
}

function readCommit(page: string): string {
  const git = (...args: string[]): string =>
    execFileSync('git', args, {
      cwd: compiledFile('..'),
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  try {
    const commit = git('rev-parse', 'HEAD');
    const changes = git('status', '--porcelain', '--', '.', `:(exclude)${page}`);
    return changes === '' ? commit : `${commit}, dirty`;
  } catch {
    return 'unknown: no git checkout';
  }
}

/** As a shell takes it. */
function quote(word: string): string {
  return /^[\w./:=@-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
