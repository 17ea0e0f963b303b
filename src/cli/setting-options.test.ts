import { Command, CommanderError } from 'commander';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { envName, SETTINGS, type SettingName, type Settings } from '../settings.ts';
import { addSettings, readSettings } from './setting-options.ts';

/** For each setting: a good text, the value that it stands for, and texts that are refused. */
const CASES: {
  readonly [Name in SettingName]: readonly [good: string, value: Settings[Name], bad: readonly string[]];
} = {
  port: ['0', 0, ['65536', '-1', '', 'http', '90.5', '1e3', '0x50', ' 80', '8０']],
  apiPort: ['65535', 65_535, ['65536', 'x']],
  host: ['0.0.0.0', '0.0.0.0', ['', 'a b', '[::1]', 'http://x', 'a/b']],
  workers: ['256', 256, ['0', '257', 'all']],
  interval: ['10', 10, ['9', '60001', '1s']],
  heartbeat: ['3600000', 3_600_000, ['999', '3600001']],
  maxBatch: ['1', 1, ['0', '10001']],
  maxPending: ['1', 1, ['0', '1000001']],
  maxPendingAll: ['1', 1, ['0', '10000001']],
  maxText: ['2000', 2_000, ['0', '2001']],
  maxHeaders: ['65536', 65_536, ['4095', '65537', '16k']],
  maxMessage: ['64', 64, ['63', '65537', '4k']],
  maxBody: ['1024', 1_024, ['1023', '67108865']],
  apiConnections: ['16', 16, ['15', '65537']],
  maxBackpressure: ['4096', 4_096, ['4095', '16777217']],
  maxBackfill: ['0', 0, ['-1', '10000001']],
  catchUpBytes: ['1048576', 1_048_576, ['1048575', '68719476737', '64MiB']],
  slowClose: ['100', 100, ['99', '3600001']],
  idleTimeout: ['8', 8, ['7', '961', '0']],
  shardStall: ['500', 500, ['499', '600001']],
  grace: ['1500', 1_500, ['1499', '600001']],
  ringSize: ['65536', 65_536, ['65535', '536870913', '32MiB']],
  store: ['level:/var/lib/volley', 'level:/var/lib/volley', ['', 'Memory', 'level', 'level:', 'nats:x']],
  durability: ['sync', 'sync', ['', 'Sync', 'none']],
  retainAge: ['0', 0, ['-1', '3153600001', '30d']],
  retainBytes: ['0', 0, ['-1', '17592186044417', '16GiB']],
  memoryComments: ['1', 1, ['0', '10000001']],
  memoryAge: ['604800', 604_800, ['0', '604801']],
  memoryBytes: ['1048576', 1_048_576, ['1048575', '68719476737', '99999999999999999999']],
  publicUrl: ['wss://example.org/live/', 'wss://example.org/live', ['https://example.org', 'example.org']],
  corsOrigins: [
    'https://example.org, http://localhost:8080',
    ['https://example.org', 'http://localhost:8080'],
    ['example.org', 'https://example.org/', 'https://a.org,', 'https://a.org;https://b.org'],
  ],
  demo: ['true', true, ['', 'yes', '1', 'TRUE']],
  viewerNames: ['false', false, ['', 'no', '0', 'FALSE']],
  logLevel: ['fatal', 'fatal', ['', 'INFO', 'verbose', '30']],
};

const ROWS = SETTINGS.map((setting) => ({ ...setting, env: envName(setting), sample: CASES[setting.name] }));

/** The settings that a command line and an environment make. */
function read(args: readonly string[], env: Record<string, string> = {}): Settings {
  for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
  const command = new Command().exitOverride().configureOutput({ writeErr: () => undefined });
  addSettings(command);
  command.parse(args, { from: 'user' });
  return readSettings(command);
}

/** The error that a command line and an environment make. */
function fault(args: readonly string[], env: Record<string, string> = {}): CommanderError {
  try {
    read(args, env);
  } catch (error) {
    if (error instanceof CommanderError) return error;
    throw error;
  }
  throw new Error(`${args} ${JSON.stringify(env)} was taken`);
}

afterEach(() => {
  vi.unstubAllEnvs();
});

describe('the settings', () => {
  it('are the defaults where nothing is given', () => {
    expect(read([])).toEqual(Object.fromEntries(SETTINGS.map(({ name, fallback }) => [name, fallback])));
  });

  it.each(ROWS)('take --$flag', ({ name, flag, sample: [good, value] }) => {
    const store = name === 'store' ? [] : ['--store', 'level:kept'];
    expect(read([...store, `--${flag}`, good])).toEqual({ ...read(store), [name]: value });
    expect(read([`--${flag}=${good}`])[name]).toEqual(value);
  });

  it.each(ROWS)('take $env', ({ name, env, sample: [good, value] }) => {
    const store = name === 'store' ? [] : ['--store', 'level:kept'];
    expect(read(store, { [env]: good })).toEqual({ ...read(store), [name]: value });
  });

  it('keep a made-up crowd in memory, unless a store is named for it', () => {
    expect(read(['--demo'])).toMatchObject({ demo: true, store: 'memory' });
    expect(read(['--demo', '--store', 'level:./data'])).toMatchObject({ demo: true, store: 'level:./data' });
    expect(read(['--demo', 'false']).store).toBe('level:./data');
    expect(read(['--demo'], { VOLLEY_STORE: 'level:x' }).store).toBe('level:x');
  });

  it('let a flag win over the environment', () => {
    expect(read(['--interval', '200'], { VOLLEY_INTERVAL: '100' }).interval).toBe(200);
  });

  it.each(ROWS)('refuse a bad --$flag in one sentence', ({ flag, env, sample: [, , bad] }) => {
    for (const text of bad) {
      const { exitCode, message } = fault([`--${flag}=${text}`]);
      expect(exitCode).toBe(2);
      expect(message).toMatch(/^[^\n]+: allowed is [^\n]+$/);
      expect(message.startsWith(`--${flag} (${env}) cannot be "${text}": `), message).toBe(true);
    }
  });

  it.each(ROWS)('refuse a bad $env in the same words', ({ flag, env, sample: [, , bad] }) => {
    for (const text of bad) {
      const { exitCode, message } = fault([], { [env]: text });
      expect(exitCode).toBe(2);
      expect(message).toBe(fault([`--${flag}=${text}`]).message);
    }
  });

  it.each(ROWS.filter(({ fallback }) => typeof fallback === 'number'))('tell the bounds of --$flag', ({ flag }) => {
    const [, least, most] = /from (\d+) to (\d+) \(/.exec(fault([`--${flag}=x`]).message) ?? [];
    for (const bound of [least, most]) expect(() => read([`--${flag}`, String(bound)])).not.toThrow();
    expect(() => read([`--${flag}`, String(Number(most) + 1)])).toThrow(CommanderError);
  });

  it('refuse a flag that stands without a value, and one that nobody knows', () => {
    expect(fault(['--port']).message).toContain("'--port <port>' argument missing");
    expect(fault(['--prot', '1']).message).toContain("unknown option '--prot'");
  });
});
