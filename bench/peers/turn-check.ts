import { BenchError } from '../bench-error.ts';
import type { LoadFigures } from '../load/load-figures.ts';
import type { PeerCase } from './peer-case.ts';

/** The spread says nothing of pushes that a viewer missed, so there may be few of them. */
const COMPLETE = 0.95;

/**
 * Checks what the load saw of the contender `name`.
 * @throws BenchError when that is no result
 */
export function checkFigures(name: string, figures: LoadFigures, { measure }: Pick<PeerCase, 'measure'>): void {
  const { frames, starved, closed, failedConnects, outOfOrder, faults } = figures;
  const gone = [...closed.values()].reduce((sum, count) => sum + count, failedConnects);
  if (gone > 0) {
    const codes = [...closed].map(([code, count]) => `${count} with close code ${code}`).join(', ');
    throw new BenchError(`${name} lost ${gone} viewers while it was measured${codes === '' ? '' : ` (${codes})`}`);
  }
  if (frames === 0) throw new BenchError(`${name} delivered nothing`);
  if (starved > 0) throw new BenchError(`${name} delivered nothing to ${starved} of its viewers`);
  if (outOfOrder > 0) throw new BenchError(`${name} delivered ${outOfOrder} frames out of order`);
  const [fault] = faults;
  if (fault !== undefined) throw new BenchError(`${name} delivered a wrong frame: ${fault}`);
  if (measure === 'spread') checkSpread(name, figures);
}

/** @throws BenchError when too many pushes did not come to every viewer */
function checkSpread(name: string, { spread, incomplete }: LoadFigures): void {
  const complete = spread.totalCount;
  const pushes = complete + incomplete;
  if (complete > 0 && complete >= COMPLETE * pushes) return;
  throw new BenchError(`only ${complete} of ${pushes} pushes of ${name} came to every viewer, so there is no spread`);
}
