import type { Logger } from 'pino';
import { VolleyError } from '../codes.ts';
import { createLogger, LogOutput } from '../log.ts';
import { urlHost } from '../ports.ts';
import { type Server, type ServerParts, startServer } from '../server.ts';
import type { Settings } from '../settings.ts';
import { BAD_SETTING, findUnknownVariables } from './setting-options.ts';

/** Faults that a different setting mends. */
const SETTING_FAULTS: readonly string[] = ['PORT_IN_USE', 'RING_TOO_SMALL'];

/** Of `--grace`, what is kept back for ending the process when a shard does not answer. */
const LAST_RESORT_MS = 250;

/** Under npm one Ctrl-C arrives twice: from the terminal, and handed on by npm. */
const ECHO_MS = 500;

/**
 * Runs a server until a signal ends it. Exit codes: 0 after SIGTERM or SIGINT, 1 after a fault, 2 for a setting that
 * cannot be, 137 (SIGKILL) when a shard stands still.
 */
export async function serve(settings: Settings, parts: ServerParts = {}): Promise<void> {
  const output = new LogOutput();
  const logger = createLogger(settings.logLevel, output);
  // Node.js writes its warnings there. Without a listener a reader that is gone would end the process.
  process.stderr.on('error', () => undefined);
  const stopper = new Stopper(settings.grace, logger);
  for (const unknown of findUnknownVariables(process.env))
    logger.warn(unknown, 'no setting has the name of this variable');
  try {
    const server = await startServer(settings, logger, { onStall: killSelf, lostLines: () => output.lost, ...parts });
    announce(server, settings, logger);
    stopper.guard(server);
  } catch (error) {
    if (!(error instanceof VolleyError)) throw error;
    process.stderr.write(`volley: ${error.message}\n`);
    process.exit(SETTING_FAULTS.includes(error.code) ? BAD_SETTING : 1);
  }
}

/** Says that the server is ready, and on a terminal which page to open. */
function announce(server: Server, settings: Settings, logger: Logger): void {
  const { viewerUrl, apiUrl, ports, store, library } = server;
  const local = /^(127\.|::1$|localhost$)/.test(settings.host);
  const who = local ? 'this machine only' : `everybody who reaches ${settings.host}`;
  const web = settings.corsOrigins.length > 0 ? `, and pages of ${settings.corsOrigins.join(', ')}` : '';
  const open = { viewers: `watch and comment: ${who}`, api: `post, read and metrics: ${who}${web}` };
  // An address that stands for all of the machine's is none that a browser can open.
  const host = ['0.0.0.0', '::'].includes(settings.host) ? 'localhost' : urlHost(settings.host);
  const page = `http://${host}:${ports.api}/`;
  logger.info({ page, viewerUrl, apiUrl, ports, workers: settings.workers, store, library, open }, 'ready');
  if (process.stdout.isTTY) process.stdout.write(`\n  ➜  Live page:  ${page}\n  ➜  Dashboard:  ${page}dashboard\n\n`);
}

/** Ends the process on signals and faults, always by the same road: no live App is ever torn down. */
class Stopper {
  readonly #grace: number;
  readonly #logger: Logger;
  #server: Server | undefined;
  #stopping = false;
  #signalled: NodeJS.Signals | undefined;
  #signalledAt = 0;
  #code = 0;

  constructor(grace: number, logger: Logger) {
    this.#grace = grace;
    this.#logger = logger;
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => this.#signal(signal));
    process.on('uncaughtException', (error) => this.#fault(error));
  }

  /** From now on there is a server to stop. A signal that came while it started is obeyed now. */
  guard(server: Server): void {
    this.#server = server;
    if (this.#signalled !== undefined) this.#stop();
  }

  #signal(signal: NodeJS.Signals): void {
    if (this.#signalled !== undefined) {
      if (signal === 'SIGINT' && performance.now() - this.#signalledAt < ECHO_MS) return;
      this.#logger.warn({ signal }, 'second signal: ending at once');
      endBy(signal);
    }
    this.#signalled = signal;
    this.#signalledAt = performance.now();
    this.#logger.info({ signal }, 'stopping');
    if (this.#server !== undefined) this.#stop();
  }

  #fault(error: unknown): void {
    this.#logger.fatal({ err: error }, 'unexpected fault');
    this.#code = 1;
    if (this.#server === undefined) endBy('SIGKILL');
    else this.#stop();
  }

  #stop(): void {
    if (this.#stopping) return;
    this.#stopping = true;
    setTimeout(() => {
      this.#logger.fatal({ grace: this.#grace }, 'not stopped within --grace: ending at once');
      killSelf();
    }, this.#grace - LAST_RESORT_MS);
    this.#server?.stop().then(
      () => {
        this.#logger.info('stopped');
        process.exit(this.#code);
      },
      (error: unknown) => {
        this.#logger.fatal({ err: error }, 'failed while stopping');
        killSelf();
      },
    );
  }
}

function killSelf(): void {
  endBy('SIGKILL');
}

/** Ends as the kernel ends a process that does not handle the signal: no exit handler runs, so nothing can abort. */
function endBy(signal: NodeJS.Signals): void {
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
}
