import { BenchError } from '../bench-error.ts';
import type { LoadFigures } from '../load/load-figures.ts';
import type { WindowFigures } from './measured-window.ts';
import { isUnknown } from './run-result.ts';
import { Interrupted } from './run-watch.ts';

/**
 * A run in which no frame came has measured nothing.
 * @throws BenchError; Interrupted where Ctrl-C left it no time
 */
export function checkFrames({ frames, seconds }: LoadFigures, url: string, interrupted: boolean): void {
  if (frames > 0) return;
  if (interrupted) throw new Interrupted();
  throw new BenchError(`no frame came from ${url} in ${seconds.toFixed(1)} s, so nothing was measured`);
}

/**
 * A run whose comments were all refused has measured nothing, even if frames came of what was posted before.
 * @throws BenchError
 */
export function checkAccepted({ load, feed, server }: WindowFigures): void {
  // What waits for the store has no answer yet, but the server has counted it.
  const accepted = Math.max(feed?.accepted ?? load.acked, isUnknown(server) ? 0 : server.accepted);
  const refused = feed?.refused ?? load.refused;
  if (accepted > 0 || refused.size === 0) return;
  const codes = [...refused].map(([code, count]) => `${code} ${count}`).join(', ');
  throw new BenchError(`all comments were refused (${codes}), so nothing was measured`);
}
