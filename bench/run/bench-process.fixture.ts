import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { Writable } from 'node:stream';
import { compiledFile } from '../../src/compiled-file.ts';
import { benchCommand } from './command.ts';

export interface Ended {
  /** The exit code, or the signal that ended the process. */
  readonly code: number | NodeJS.Signals;
  readonly stdout: string;
  readonly stderr: string;
}

export interface BenchProcessOptions {
  readonly env?: NodeJS.ProcessEnv;
  /** Most files that it may have open. */
  readonly openFiles?: number;
}

/** The compiled `npm run bench` in a process of its own. */
export class BenchProcess {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;

  /** @param line the command line, split at spaces */
  constructor(line: string, { env = {}, openFiles }: BenchProcessOptions = {}) {
    const command = [process.execPath, compiledFile('bench/bench.js'), ...words(line)];
    const limit = openFiles === undefined ? '' : `ulimit -n ${openFiles}; `;
    this.child = spawn('sh', ['-c', `${limit}exec "$@"`, 'sh', ...command], {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let stdout = '';
    let stderr = '';
    this.child.stdout?.on('data', (part: Buffer) => (stdout += part.toString()));
    this.child.stderr?.on('data', (part: Buffer) => (stderr += part.toString()));
    this.ended = new Promise((resolve) => {
      this.child.once('close', (code, signal) => resolve({ code: signal ?? code ?? 1, stdout, stderr }));
    });
  }

  get isRunning(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  /** Whether it has so many sockets open, its own pipes and the like not counted. */
  hasConnected(connections: number): boolean {
    const folder = `/proc/${this.child.pid}/fd`;
    const links = readdirSync(folder).map((fd) => readLink(`${folder}/${fd}`));
    return links.filter((link) => link.startsWith('socket:')).length >= connections;
  }

  /** The process of the server that the bench has started; waits until there is one. */
  async ownServer(): Promise<number> {
    const { pid } = this.child;
    let children = '';
    await until(() => {
      if (!this.isRunning) throw new Error('the bench ended without a server');
      children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').trim();
      return children !== '';
    });
    return Number(children.split(' ')[0]);
  }
}

function readLink(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    // Closed since the folder was read.
    return '';
  }
}

function words(line: string): string[] {
  return line.split(' ').filter(Boolean);
}

/** Runs the bench to its end in this process; a server of its own is one of its own all the same. */
export async function runBench(line: string): Promise<Ended> {
  let [stdout, stderr] = ['', ''];
  const code = await benchCommand(words(line), {
    stdout: { write: (text) => (stdout += text) },
    stderr: new Writable({
      write: (part, _encoding, done) => {
        stderr += String(part);
        done();
      },
    }),
    signal: new AbortController().signal,
  });
  return { code, stdout, stderr };
}

/** Whether a process is there and not merely waiting to be reaped. */
export function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'latin1'));
  } catch {
    return false;
  }
}

/** Waits until `done` holds. Rejects when `deadline` ms pass. */
export async function until(done: () => boolean | Promise<boolean>, deadline = 20_000): Promise<void> {
  const end = Date.now() + deadline;
  while (!(await done())) {
    if (Date.now() > end) throw new Error(`not so within ${deadline} ms`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
