import type { Tick } from '../../metrics/sample.ts';
import { elementOf, setText } from '../page-element.ts';
import { writeCount, writeValue } from './number-text.ts';

/** What each tile at the top of the page tells, by its id. */
const TILES: Readonly<Record<string, (tick: Tick) => string>> = {
  'stat-viewers': ({ sample }) => writeCount(sample.viewers),
  'stat-rooms': ({ sample }) => writeCount(sample.rooms),
  'stat-comments': ({ totals }) => writeCount(totals.commentsHttp + totals.commentsSocket + totals.commentsDemo),
  'stat-pending': ({ sample }) => writeCount(sample.pending),
  'stat-deliveries': ({ totals }) => writeCount(totals.deliveries),
  'stat-store': ({ sample }) => writeValue(sample.storeBytes, 'bytes'),
  'stat-ring': ({ sample, ringCapacity }) => writeValue(sample.ringUsed / Math.max(1, ringCapacity), 'share'),
  'stat-restarts': ({ totals }) => writeCount(totals.shardRestarts),
};

/** Writes the tiles. */
export function showTiles(tick: Tick): void {
  for (const [id, write] of Object.entries(TILES)) setText(elementOf(id, HTMLElement), write(tick));
}
