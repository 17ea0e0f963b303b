/** The tools of shared/perf, which are not ours: a WebSocket load in C, and the least that a server could do. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { compiledFile } from '../src/compiled-file.ts';

const SOURCES = compiledFile('../../shared/perf');

export interface LoadOptions {
  readonly port: string;
  readonly path: string;
  readonly viewers: number;
  readonly subprotocol: string;
  readonly pid: number;
  /** Seconds that are not measured, and that are. */
  readonly warmup: number;
  readonly seconds: number;
}

interface LoadResult {
  readonly framesPerSecond: number;
  readonly bytesPerFrame: number;
  /** Server CPU in µs a delivered frame. */
  readonly microseconds: number;
}

/** wsload and floor, built into a folder of their own. */
export class PerfTools {
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  /** Builds the tools; null where their sources or a C compiler are missing. */
  static build(): PerfTools | null {
    if (!existsSync(SOURCES)) return null;
    const folder = mkdtempSync(join(tmpdir(), 'volley-perf-'));
    try {
      execFileSync('make', ['-C', SOURCES, `OUT=${folder}`], { stdio: 'ignore' });
    } catch (error) {
      rmSync(folder, { recursive: true });
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
      throw error;
    }
    return new PerfTools(folder);
  }

  /** Starts the floor server: one send a viewer every `tick` ms, of a frame with `bytes` of payload. */
  startFloor(port: number, tick: number, bytes: number): ChildProcess {
    return spawn(join(this.#folder, 'floor'), [port, tick, bytes].map(String), { stdio: 'ignore' });
  }

  /** Opens viewers, counts what arrives and what it cost the server. */
  load(options: LoadOptions): Promise<LoadResult> {
    const { port, path, viewers, subprotocol, pid, warmup, seconds } = options;
    const flags = { p: port, P: path, c: viewers, s: subprotocol, k: pid, w: warmup, d: seconds };
    const given = Object.entries(flags).filter(([, value]) => value !== '');
    const child = spawn(
      join(this.#folder, 'wsload'),
      given.flatMap(([flag, value]) => [`-${flag}`, String(value)]),
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    let text = '';
    child.stdout.on('data', (part: Buffer) => {
      text += part.toString();
    });
    return new Promise((resolve, reject) => {
      child.on('close', () => {
        const found = /frames\/s (\d+).*bytes\/frame (\d+).*server cpu .*us\/frame ([\d.]+), rss/.exec(text);
        if (found === null) reject(new Error(`wsload did not finish: ${text}`));
        else {
          resolve({
            framesPerSecond: Number(found[1]),
            bytesPerFrame: Number(found[2]),
            microseconds: Number(found[3]),
          });
        }
      });
    });
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true });
  }
}
