import { Command } from 'commander';
import { pino } from 'pino';
import { addSettings, readSettings } from '../cli/setting-options.ts';
import { type Server, startServer } from '../server.ts';
import { RunningServer } from './server-process.ts';

/**
 * A real server in the test's own process, its shards on threads: a fifth of the CPU that a process of its own takes to
 * start. For tests that do not look at the process, its log or its end.
 */
export class ServerHere extends RunningServer {
  readonly #server: Server;

  private constructor(server: Server) {
    super();
    this.#server = server;
    this.viewerUrl = server.viewerUrl;
    this.apiUrl = server.apiUrl;
  }

  /** Starts one with free ports and a store in memory; `args` are flags. */
  static async start(args: readonly string[] = []): Promise<ServerHere> {
    const command = new Command().exitOverride();
    addSettings(command);
    command.parse(['--port', '0', '--api-port', '0', '--store', 'memory', ...args], { from: 'user' });
    return new ServerHere(await startServer(readSettings(command), pino({ level: 'silent' })));
  }

  /** Resolves when no thread and no port is left. */
  stop(): Promise<void> {
    return this.#server.stop();
  }
}
