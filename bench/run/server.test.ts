import { createServer, type Server } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { BenchError } from '../options.ts';
import { ChildServer, cleanEnvironment } from './server.ts';

let server: ChildServer | undefined;
let listener: Server | undefined;

function startScript(script: string): ChildServer {
  server = new ChildServer('peer', process.execPath, ['-e', script]);
  return server;
}

afterEach(async () => {
  await server?.stop();
  listener?.close();
});

describe('a contender that does not start', () => {
  it('is told of in one sentence, with the line that says why', async () => {
    const failure = startScript("throw new TypeError('no luck')").findPort();
    await expect(failure).rejects.toThrow(new BenchError('peer ended with exit code 1: TypeError: no luck'));
  });

  it('is told of when it says nothing', async () => {
    await expect(startScript('process.exit(3)').findPort()).rejects.toThrow(/^peer ended with exit code 3$/);
  });

  it('is told of when it ends after the wrong line', async () => {
    const failure = startScript("console.log('hello'); setTimeout(process.exit, 50, 0)").findPort();
    await expect(failure).rejects.toThrow(/^peer ended with exit code 0$/);
  });

  it('is told of when there is no such program', async () => {
    server = new ChildServer('peer', '/nowhere/at/all', []);
    await expect(server.findPort()).rejects.toThrow(
      new BenchError('peer could not be started (spawn /nowhere/at/all ENOENT)'),
    );
  });

  it('is told of when it ends instead of listening on its port', async () => {
    await expect(startScript('process.exit(4)').answerOn(1)).rejects.toThrow(/^peer ended with exit code 4$/);
  });
});

describe('a contender that starts', () => {
  it('is known by the port that it prints, whatever it prints before', async () => {
    expect(await startScript("console.log('hello'); console.log(4711); setInterval(() => {}, 9)").findPort()).toBe(
      4711,
    );
  });

  it('is waited for on a port that was given to it', async () => {
    const child = startScript('setInterval(() => {}, 9)');
    listener = createServer().listen(0, '127.0.0.1');
    await new Promise<void>((resolve) => listener?.once('listening', resolve));
    const address = listener.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    await expect(child.answerOn(port)).resolves.toBeUndefined();
  });

  it('is gone once it was stopped', async () => {
    const child = startScript(
      "process.on('SIGTERM', () => setTimeout(process.exit, 50, 0)); setInterval(() => {}, 9); console.log(1)",
    );
    await child.findPort();
    const { pid } = child;
    await child.stop();
    expect(() => process.kill(pid, 0)).toThrow('ESRCH');
    expect(await child.ended).toBe('ended with exit code 0');
  });

  it('with a clean environment is not set up by what the environment says of volley', async () => {
    process.env.VOLLEY_WORKERS = '7';
    const script = 'console.log(process.env.VOLLEY_WORKERS === undefined ? 1 : 2)';
    const child = new ChildServer('peer', process.execPath, ['-e', script], cleanEnvironment());
    server = child;
    delete process.env.VOLLEY_WORKERS;
    expect(await child.findPort()).toBe(1);
  });
});
