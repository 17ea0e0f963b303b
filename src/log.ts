import { fstatSync, writeSync } from 'node:fs';
import { type Logger, pino } from 'pino';
import { prettyFactory } from 'pino-pretty';
import type { LogLevel } from './settings.ts';

/** Lines in one burst, and lines a second in the long run: a client that causes an error a request fills no disk. */
const BURST_LINES = 500;
const LINES_A_SECOND = 20;

/** Bytes that wait for the reader of a pipe; lines beyond are lost. */
const MOST_WAITING = 262_144;

const FATAL = 60;

/** What pino tells a destination that has this member about the line that it writes next. */
const METADATA = Symbol.for('pino.metadata');

/** Where {@link LogOutput} puts its lines. Tests replace it. */
export interface LogSink {
  /** Writes `text`, and calls `done` once it is written or lost. Never blocks for a reader, never throws. */
  write(text: string, done: (error?: Error | null) => void): void;
}

/**
 * Takes the lines of the log. Nothing that happens to them reaches the caller: a reader that is gone (EPIPE), a full
 * disk (ENOSPC), a pipe that nobody empties and a flood cost lines, which are counted, and never the process. The next
 * line that gets through is preceded by one that says how many were lost. Lines of the level `fatal` are not part of the
 * bound on lines a second.
 */
export class LogOutput {
  readonly [METADATA] = true;
  /** Set by pino before each line. */
  lastLevel = 0;
  /** Lines lost since the start. */
  lost = 0;
  readonly #sink: LogSink;
  readonly #now: () => number;
  #reported = 0;
  #waiting = 0;
  #allowed = BURST_LINES;
  #lookedAt: number;

  constructor(sink: LogSink = openStdout(), now: () => number = () => performance.now()) {
    this.#sink = sink;
    this.#now = now;
    this.#lookedAt = now();
  }

  write(line: string): void {
    const now = this.#now();
    this.#allowed = Math.min(BURST_LINES, this.#allowed + ((now - this.#lookedAt) / 1_000) * LINES_A_SECOND);
    this.#lookedAt = now;
    if (this.#waiting > MOST_WAITING || (this.#allowed < 1 && this.lastLevel < FATAL)) {
      this.lost += 1;
      return;
    }
    this.#allowed = Math.max(0, this.#allowed - 1);
    const lost = this.lost - this.#reported;
    if (lost > 0) this.#report(lost);
    this.#put(line, () => {
      this.lost += 1;
    });
  }

  #report(lost: number): void {
    this.#reported += lost;
    this.#put(describeLoss(lost), () => {
      this.#reported -= lost;
    });
  }

  #put(text: string, onLost: () => void): void {
    this.#waiting += text.length;
    this.#sink.write(text, (error) => {
      this.#waiting -= text.length;
      if (error) onLost();
    });
  }
}

function describeLoss(lines: number): string {
  return `${JSON.stringify({ level: 40, time: Date.now(), pid: process.pid, lines, msg: 'log lines were lost' })}\n`;
}

/**
 * The log, on stdout: JSON lines, or readable ones on a terminal. What fits is written before the call returns, so that
 * the last line before a SIGKILL is there.
 */
export function createLogger(level: LogLevel, output: LogOutput): Logger {
  return pino({ level, base: { pid: process.pid } }, output);
}

/** A file is written at once, and so is a pipe as far as it has room; a pipe's reader is never waited for. */
function openStdout(): LogSink {
  const stats = fstatSync(1);
  if (!process.stdout.isTTY && !stats.isFIFO() && !stats.isSocket()) return new FileSink();
  // Each line's `done` is told too. Without a listener an error would end the process.
  process.stdout.on('error', () => undefined);
  const pretty = process.stdout.isTTY ? prettyFactory({ ignore: 'pid,hostname' }) : (text: string) => text;
  return { write: (text, done) => void process.stdout.write(pretty(text) ?? text, done) };
}

/** Node's stream for a file gives up after the first error; a disk has room again some time. */
class FileSink implements LogSink {
  /** The last line was cut: the next begins on a new one. */
  #isCut = false;

  write(text: string, done: (error?: Error | null) => void): void {
    const bytes = Buffer.from(this.#isCut ? `\n${text}` : text);
    let at = 0;
    try {
      while (at < bytes.length) at += writeSync(1, bytes, at);
      this.#isCut = false;
      done();
    } catch (error) {
      this.#isCut ||= at > 0;
      done(error as Error);
    }
  }
}
