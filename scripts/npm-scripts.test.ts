import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it, vi } from 'vitest';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
/** Keeps npm from building first, which takes seconds. */
const NO_BUILD = ['--ignore-scripts'];
const ANY_PORTS = ['--port', '0', '--api-port', '0', '--store', 'memory'];

interface Ended {
  readonly code: number | NodeJS.Signals;
  readonly stdout: string;
  readonly stderr: string;
}

/** A command as a user types it, in a process group of its own, as a shell gives to each. */
class Typed {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  stdout = '';
  stderr = '';

  constructor(...[program = '', ...args]: string[]) {
    this.child = spawn(program, args, { cwd: ROOT, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    this.child.stdout?.on('data', (part: Buffer) => {
      this.stdout += part.toString();
    });
    this.child.stderr?.on('data', (part: Buffer) => {
      this.stderr += part.toString();
    });
    this.ended = new Promise((resolve) => {
      this.child.once('close', (code, signal) => {
        resolve({ code: signal ?? code ?? 1, stdout: this.stdout, stderr: this.stderr });
      });
    });
    started.push(this);
  }

  /** Waits until stdout or stderr has a match. */
  async printed(pattern: RegExp): Promise<RegExpExecArray> {
    return vi.waitFor(
      () => {
        const match = pattern.exec(this.stdout + this.stderr);
        if (match === null) throw new Error(`not printed: ${pattern} in ${this.stdout}${this.stderr}`);
        return match;
      },
      { timeout: 20_000 },
    );
  }

  /** As Ctrl-C in a terminal: the whole group gets the signal. */
  interrupt(): void {
    process.kill(-(this.child.pid ?? 0), 'SIGINT');
  }
}

const started: Typed[] = [];

afterAll(() => {
  for (const { child } of started) {
    try {
      process.kill(-(child.pid ?? 0), 'SIGKILL');
    } catch (error) {
      // Nothing of the group is left, as it should be.
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }
});

/** The process and its descendants whose command line is known, by pid. */
function processTree(pid: number): Map<number, string> {
  const tree = new Map<number, string>();
  const add = (id: number): void => {
    tree.set(id, readFileSync(`/proc/${id}/cmdline`, 'latin1').replaceAll('\0', ' '));
    const children = readFileSync(`/proc/${id}/task/${id}/children`, 'latin1').trim();
    for (const child of children.split(' ').filter(Boolean)) add(Number(child));
  };
  add(pid);
  return tree;
}

/** Waits until the command has started a process with `entry` in its command line; gives all its processes. */
function processesWith(entry: string, { child }: Typed): Promise<number[]> {
  return vi.waitFor(
    () => {
      const tree = processTree(child.pid ?? 0);
      expect([...tree.values()].join('\n')).toContain(entry);
      return [...tree.keys()];
    },
    { timeout: 20_000 },
  );
}

function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'latin1'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}

describe('npm run build', () => {
  it('says nothing on stdout, and writes nothing where nothing has changed', async () => {
    const files = ['dist/src/main.js', 'dist/web/client.js'].map((file) => `${ROOT}/${file}`);
    const before = files.map((file) => statSync(file).mtimeMs);
    expect(await new Typed('npm', 'run', '-s', 'build').ended).toEqual({ code: 0, stdout: '', stderr: '' });
    expect(files.map((file) => statSync(file).mtimeMs)).toEqual(before);
  });
});

describe('the manual’s bench line', () => {
  it('writes one JSON document and nothing else to stdout', async () => {
    const manual = readFileSync(`${ROOT}/docs/bench.md`, 'utf8');
    const line = /^(npm run -s bench -- .*--json) > \S+$/m.exec(manual)?.[1] ?? '';
    const words = line.replace(/-c \d+/, '-c 20 -d 1 --warmup 1').split(' ');
    const { code, stdout } = await new Typed(...words).ended;
    expect(JSON.parse(stdout)).toMatchObject({ tool: 'volley bench' });
    expect(code).toBe(0);
  });
});

describe('npm start', () => {
  it.each(['SIGTERM to npm', 'Ctrl-C'])('stops the server in order on %s', async (how) => {
    const command = new Typed('npm', 'start', ...NO_BUILD, '--', ...ANY_PORTS);
    await command.printed(/"msg":"ready"/);
    const processes = await processesWith('dist/src/main.js', command);
    if (how === 'Ctrl-C') command.interrupt();
    else command.child.kill('SIGTERM');
    const { code, stdout } = await command.ended;
    expect(stdout).toMatch(/"msg":"stopped"/);
    expect(processes.filter(isAlive)).toEqual([]);
    expect(code).toBe(0);
  });
});

describe('npm run replay', () => {
  it('leaves nothing behind on SIGTERM to npm', async () => {
    const args = ['bench/comments.xml', '--room', 'a', '--speed', '0.001'];
    const command = new Typed('npm', 'run', 'replay', ...NO_BUILD, '--', ...args);
    const processes = await processesWith('dist/scripts/replay.js', command);
    command.child.kill('SIGTERM');
    await command.ended;
    expect(processes.filter(isAlive)).toEqual([]);
  });
});

describe('every script that runs long', () => {
  it('takes the place of the shell that npm starts, which would hand no signal on', () => {
    const { scripts } = JSON.parse(readFileSync(`${ROOT}/package.json`, 'utf8')) as { scripts: Record<string, string> };
    const long = Object.entries(scripts).filter(([, line]) => /^(exec )?(node|vitest) /.test(line));
    expect(long.map(([name]) => name)).toEqual(expect.arrayContaining(['start', 'bench', 'replay', 'test']));
    for (const [name, line] of long) expect(line, name).toMatch(/^exec /);
  });
});
