import { cpus } from 'node:os';
import { threadCpuSeconds } from '../../src/metrics/thread-stats.ts';
import { benchNow } from '../load/bench-clock.ts';
import type { LoadFigures } from '../load/load-figures.ts';
import type { GeneratorFigures } from './run-result.ts';

/** Measures, from its making on, what the bench uses and how busy the machine is. */
export class GeneratorMeter {
  readonly #at = benchNow();
  readonly #own = threadCpuSeconds();
  readonly #process = process.cpuUsage();
  readonly #machine = readMachine();

  /**
   * The figures since the making.
   * @param loads what ran meanwhile
   */
  read(loads: readonly LoadFigures[]): GeneratorFigures {
    const seconds = (benchNow() - this.#at) / 1_000;
    const { busy, total, cores } = readMachine();
    const passed = total - this.#machine.total;
    const { user, system } = process.cpuUsage(this.#process);
    return {
      totalCores: (user + system) / 1e6 / seconds,
      threadsCores: loads.reduce((sum, { cpu }) => sum + cpu, 0),
      busiestCores: Math.max(...loads.map(({ busiest }) => busiest)),
      worstDelay: Math.max(...loads.map(({ worstDelay }) => worstDelay)),
      mainCores: (threadCpuSeconds() - this.#own) / seconds,
      machineBusyCores: passed > 0 ? ((busy - this.#machine.busy) / passed) * cores : 0,
      machineCores: cores,
    };
  }
}

/** Times of all cores together, in ms. */
function readMachine(): { busy: number; total: number; cores: number } {
  const cores = cpus();
  let busy = 0;
  let total = 0;
  for (const { times } of cores) {
    const working = times.user + times.nice + times.sys + times.irq;
    busy += working;
    total += working + times.idle;
  }
  return { busy, total, cores: cores.length };
}
