import type { RecordedComment } from '../../scripts/bilibili-xml.ts';
import type { RunProgress } from './run-progress.ts';
import type { RunSettings } from './run-settings.ts';
import type { RunWatch } from './run-watch.ts';
import type { Shape } from './shape.ts';

/** Everything that a run against one server needs beside the server. */
export interface RunContext {
  /** What tells it from the other runs of a comparison. */
  readonly label: string;
  readonly settings: RunSettings;
  readonly shape: Shape;
  readonly comments: readonly RecordedComment[];
  readonly watch: RunWatch;
  readonly progress: RunProgress;
}
