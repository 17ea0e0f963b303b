/** One sample of a page in Prometheus' text format. */
interface MetricSample {
  readonly name: string;
  readonly labels: ReadonlyMap<string, string>;
  readonly value: number;
}

const SAMPLE = /^([A-Za-z_:][\w:]*)(?:\{(.*)\})? (\S+)(?: \d+)?$/;
const LABEL = /([A-Za-z_]\w*)="((?:[^"\\]|\\.)*)"/g;

const ESCAPED: Readonly<Record<string, string>> = { n: '\n' };

/** What a server's `/metrics` said at one moment. */
export class MetricsPage {
  readonly #samples = new Map<string, MetricSample[]>();

  /** Reads Prometheus' text format. Lines that are not samples are left out. */
  constructor(text: string) {
    for (const line of text.split('\n')) {
      const [, name, labels = '', value] = SAMPLE.exec(line) ?? [];
      if (name === undefined) continue;
      const sample = { name, labels: readLabels(labels), value: Number(value) };
      const known = this.#samples.get(name);
      if (known === undefined) this.#samples.set(name, [sample]);
      else known.push(sample);
    }
  }

  /** The sum of the samples of `name`, of those with this label where one is given; 0 for none. */
  sum(name: string, label?: string, wanted?: string): number {
    let sum = 0;
    for (const { labels, value } of this.#samples.get(name) ?? []) {
      if (label === undefined || labels.get(label) === wanted) sum += value;
    }
    return sum;
  }

  /** The samples of `name` by the value of `label`; those without it are left out. */
  by(name: string, label: string): Map<string, number> {
    const values = new Map<string, number>();
    for (const { labels, value } of this.#samples.get(name) ?? []) {
      const key = labels.get(label);
      if (key !== undefined) values.set(key, (values.get(key) ?? 0) + value);
    }
    return values;
  }
}

function readLabels(text: string): Map<string, string> {
  const labels = new Map<string, string>();
  for (const [, name = '', value = ''] of text.matchAll(LABEL)) {
    labels.set(
      name,
      value.replace(/\\(.)/g, (_, escaped: string) => ESCAPED[escaped] ?? escaped),
    );
  }
  return labels;
}
