import { type Logger, pino } from 'pino';
import { PinoPretty } from 'pino-pretty';
import type { LogLevel } from './settings/settings.ts';

/**
 * The log, on stdout: JSON lines, or readable ones on a terminal. Written synchronously, so that the last line before
 * a SIGKILL is there.
 */
export function createLogger(level: LogLevel): Logger {
  const options = { level, base: { pid: process.pid } };
  if (!process.stdout.isTTY) return pino(options, pino.destination({ fd: 1, sync: true }));
  return pino(options, PinoPretty({ sync: true, ignore: 'pid,hostname' }));
}
