import { Summary } from 'prom-client';
import type { Durations } from './durations.ts';

/** Durations as a summary in Prometheus' sense: their sum in seconds and their count, no quantiles. */
export class DurationsMetric extends Summary {
  readonly #durations: Durations;

  constructor(name: string, help: string, durations: Durations) {
    // Not in the library's global registry: the caller registers it where it belongs.
    super({ name, help, percentiles: [], registers: [] });
    this.#durations = durations;
  }

  override async get(): ReturnType<Summary['get']> {
    const metric = await super.get();
    const { seconds, count } = this.#durations;
    return {
      ...metric,
      values: [
        { metricName: `${metric.name}_sum`, labels: {}, value: seconds },
        { metricName: `${metric.name}_count`, labels: {}, value: count },
      ],
    };
  }
}
