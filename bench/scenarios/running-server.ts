import type { BenchError } from '../bench-error.ts';
import { readServer } from './server-reading.ts';
import type { ServerTarget } from './server-target.ts';

const LOCAL = /^(127\.|localhost$|\[::1\]$)/;

/** A server that runs already. The bench neither starts nor stops it. */
export class RunningServer implements ServerTarget {
  readonly viewerUrl: string;
  readonly apiUrl: string | null;
  readonly pid = null;
  readonly workers = null;
  readonly isLocal: boolean;
  readonly description: string;
  onGone: ((why: BenchError) => void) | undefined;

  private constructor(viewerUrl: string, apiUrl: string | null) {
    this.viewerUrl = viewerUrl;
    this.apiUrl = apiUrl;
    this.isLocal = LOCAL.test(new URL(viewerUrl).hostname);
    this.description = `${viewerUrl}, which ran already`;
  }

  /**
   * @throws BenchError when the API does not answer, or not with volley's metrics
   */
  static async find(viewerUrl: string, apiUrl: string | null): Promise<RunningServer> {
    if (apiUrl !== null) await readServer(apiUrl, null);
    return new RunningServer(viewerUrl, apiUrl);
  }

  async stop(): Promise<void> {}
}
