import { availableParallelism, cpus } from 'node:os';
import Table from 'cli-table3';
import type { MicroFigures } from './micro-benchmark.ts';

/** On what the figures were taken. */
interface MicroMachine {
  readonly cpu: string;
  readonly cores: number;
  readonly node: string;
  /** Figures of `--quick` say only that everything runs. */
  readonly quick: boolean;
}

export function describeMachine(quick: boolean): MicroMachine {
  return { cpu: cpus()[0]?.model ?? 'unknown CPU', cores: availableParallelism(), node: process.version, quick };
}

export function formatMachine({ cpu, cores, node, quick }: MicroMachine): string {
  const line = `${cpu}, ${cores} cores, Node.js ${node}`;
  return quick ? `${line}\n--quick: code that is hardly compiled yet; these are no figures to quote` : line;
}

/** A group's figures as a table: times a call, then the median time and what is allocated on the JavaScript heap a unit. */
export function formatGroup(name: string, figures: readonly MicroFigures[]): string {
  const table = new Table({
    head: [name, 'median a call', 'mean', 'p99', 'median a unit', '', 'heap a unit'],
    colAligns: ['left', 'right', 'right', 'right', 'right', 'left', 'right'],
    style: { head: [], border: [], compact: true },
  });
  for (const { name: benchmark, median, mean, p99, unit, units, allocated } of figures) {
    const times = [median, mean, p99, median / units].map(formatTime);
    table.push([benchmark, ...times, `a ${unit}`, allocated === null ? 'unknown' : formatBytes(allocated / units)]);
  }
  return table.toString();
}

function formatTime(nanoseconds: number): string {
  if (nanoseconds < 1e3) return `${nanoseconds.toFixed(1)} ns`;
  if (nanoseconds < 1e6) return `${(nanoseconds / 1e3).toFixed(2)} µs`;
  return `${(nanoseconds / 1e6).toFixed(2)} ms`;
}

function formatBytes(bytes: number): string {
  return bytes < 1_024 ? `${bytes.toFixed(0)} B` : `${(bytes / 1_024).toFixed(1)} KB`;
}
