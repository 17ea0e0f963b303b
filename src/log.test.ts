import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, describe, expect, it } from 'vitest';
import { compiledFile } from './compiled-file.ts';
import { createLogger, LogOutput } from './log.ts';

/** A log whose lines go into an array, at once or when a test says so. */
class Rig {
  readonly lines: Record<string, unknown>[] = [];
  readonly output: LogOutput;
  readonly logger;
  now = 0;
  error: Error | null = null;
  holds = false;
  readonly held: (() => void)[] = [];

  constructor() {
    const write = (text: string, done: (error?: Error | null) => void): void => {
      const { error } = this;
      const finish = (): void => {
        if (error === null) this.lines.push(JSON.parse(text) as Record<string, unknown>);
        done(error);
      };
      if (this.holds) this.held.push(finish);
      else finish();
    };
    this.output = new LogOutput({ write }, () => this.now);
    this.logger = createLogger('info', this.output);
  }

  get messages(): unknown[] {
    return this.lines.map(({ msg }) => msg);
  }
}

describe('the log', () => {
  it('writes each line', () => {
    const { logger, lines, output } = new Rig();
    logger.info({ a: 1 }, 'one');
    logger.debug('none');
    logger.error(new Error('two'));
    expect(lines).toMatchObject([
      { level: 30, pid: process.pid, a: 1, msg: 'one' },
      { level: 50, msg: 'two', err: { type: 'Error' } },
    ]);
    expect(output.lost).toBe(0);
  });

  it('takes 500 lines at once and 20 a second after that, and says how many were lost', () => {
    const rig = new Rig();
    for (let i = 0; i < 700; i += 1) rig.logger.error('flood');
    expect([rig.lines.length, rig.output.lost]).toEqual([500, 200]);
    rig.now = 1_000;
    for (let i = 0; i < 30; i += 1) rig.logger.error('later');
    expect(rig.lines[500]).toMatchObject({ level: 40, lines: 200, msg: 'log lines were lost' });
    expect([rig.lines.length, rig.output.lost]).toEqual([521, 210]);
  });

  it('takes fatal lines whatever came before', () => {
    const rig = new Rig();
    for (let i = 0; i < 600; i += 1) rig.logger.error('flood');
    rig.logger.fatal('the end');
    expect(rig.messages.slice(-2)).toEqual(['log lines were lost', 'the end']);
  });

  it('loses lines that cannot be written, and goes on once they can', () => {
    const rig = new Rig();
    rig.error = new Error('ENOSPC');
    for (let i = 0; i < 3; i += 1) rig.logger.info('lost');
    expect([rig.messages, rig.output.lost]).toEqual([[], 3]);
    rig.error = null;
    rig.logger.info('back');
    rig.logger.info('on');
    expect(rig.messages).toEqual(['log lines were lost', 'back', 'on']);
    expect(rig.lines[0]).toMatchObject({ lines: 3 });
  });

  it('lets 256 KB wait for a reader and no more', () => {
    const rig = new Rig();
    rig.holds = true;
    const line = 'x'.repeat(10_000);
    for (let i = 0; i < 50; i += 1) rig.logger.fatal(line);
    expect(rig.held.length).toBeLessThan(28);
    expect(rig.held.length + rig.output.lost).toBe(50);
    for (const finish of rig.held) finish();
    rig.holds = false;
    rig.logger.fatal('read again');
    expect(rig.messages.slice(-2)).toEqual(['log lines were lost', 'read again']);
  });
});

describe('the log of a process', () => {
  let writer: ChildProcess | undefined;

  afterEach(async () => {
    writer?.kill('SIGKILL');
    if (writer !== undefined && writer.exitCode === null && writer.signalCode === null) await once(writer, 'exit');
  });

  /** Starts a process that writes many lines with `redirection` as its stdout; gives what it lost. */
  async function lostBy(redirection: string): Promise<number> {
    const command = `exec "${process.execPath}" "${compiledFile('src/log-writer.fixture.js')}" ${redirection}`;
    writer = spawn('/bin/sh', ['-c', command], { stdio: ['pipe', 'pipe', 'pipe'] });
    let said = '';
    for await (const bytes of writer.stderr ?? []) {
      said += String(bytes);
      const [, lost] = /^lost (\d+)$/m.exec(said) ?? [];
      if (lost !== undefined) return Number(lost);
    }
    throw new Error(`ended: ${said}`);
  }

  it('that nobody reads costs lines, and the process goes on', async () => {
    // More than any pipe takes in, and this process does not read.
    expect(await lostBy('')).toBeGreaterThan(2_000);
    expect(writer?.exitCode).toBe(null);
  });

  it('whose reader is gone costs lines, and the process goes on', async () => {
    const lost = lostBy('');
    writer?.stdout?.destroy();
    expect(await lost).toBeGreaterThan(2_000);
    expect(writer?.exitCode).toBe(null);
  });

  it('on a full disk costs lines, and the process goes on', async () => {
    expect(await lostBy('>/dev/full')).toBe(5_001);
    expect(writer?.exitCode).toBe(null);
  });

  it('in a file has all lines', async () => {
    expect(await lostBy('>/dev/null')).toBe(0);
  });
});
