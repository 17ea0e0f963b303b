import type { ScenarioResult } from '../scenarios/run-result.ts';
import type { RunSettings } from '../scenarios/run-settings.ts';
import { findScenario } from '../scenarios/scenario-list.ts';
import type { BenchDocument, MachineDocument, SettingsDocument } from './bench-document.ts';
import { compareRuns } from './comparison.ts';
import { describeRun } from './run-document.ts';

/** How the bench was called, and where. */
export interface Circumstances {
  readonly startedAt: Date;
  /** The command line's arguments. */
  readonly command: readonly string[];
  readonly settings: RunSettings;
  readonly machine: MachineDocument;
}

/** The whole document: what was measured, and all that follows from it. */
export function describeResult(
  result: ScenarioResult,
  { startedAt, command, settings, machine }: Circumstances,
): BenchDocument {
  const runs = result.runs.map(describeRun);
  return {
    schemaVersion: 1,
    tool: 'volley bench',
    startedAt: startedAt.toISOString(),
    command,
    scenario: settings.scenario,
    interrupted: result.interrupted,
    machine,
    settings: {
      connections: settings.connections,
      durationSeconds: settings.duration,
      warmupSeconds: settings.warmup,
      rooms: settings.rooms,
      commentsPerSecondPerRoom: settings.rate,
      loadThreads: settings.workers,
      codec: settings.codec,
      senders: settings.senders,
      commentsBy: describeSource(settings),
      url: settings.url,
      apiUrl: settings.apiUrl,
      intervalMs: settings.interval,
      serverStore: settings.url === null ? settings.serverStore : null,
      behindSeconds: settings.behind,
      commentsFile: settings.comments,
    },
    notes: result.notes,
    runs,
    comparison: compareRuns(runs),
  };
}

function describeSource(settings: RunSettings): SettingsDocument['commentsBy'] {
  const { kind } = findScenario(settings.scenario).shape(settings).sending;
  if (kind === 'flood') return 'flooding senders';
  if (kind === 'paced') return 'paced senders';
  return settings.url !== null && settings.apiUrl === null ? 'others' : 'http';
}
