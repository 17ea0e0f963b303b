import uPlot from 'uplot';
import type { Sample, Tick } from '../../metrics/sample.ts';
import { makeElement, setText } from '../page-element.ts';
import type { Chart, Line, Moment } from './chart-list.ts';
import { type Unit, writeTick, writeTime, writeTimes, writeValue } from './number-text.ts';

const HEIGHT = 150;
const AXIS_WIDTH = 58;
/** A time nearer to the right end than this, in px, has no label: it would be cut. */
const LABEL_ROOM = 18;
const SWATCH_WIDTH = 24;

/** Charts show at least so much time, in ms. */
const LEAST_SPAN_MS = 60_000;

/** Lines are told apart by dashes too, not by colour alone. */
const DASHES: readonly number[][] = [[], [6, 3], [2, 2], [10, 3, 2, 3], [4, 4], [1, 3]];

const SVG = 'http://www.w3.org/2000/svg';

/** All charts show the same moment under the pointer. */
const CURSOR = 'moments';

/** A line's place in the legend. */
interface LegendRow {
  readonly value: HTMLElement;
  readonly total: HTMLElement;
}

/** One chart with its heading, its newest value as text, and a legend that tells every line's value and total. */
export class ChartCard {
  readonly element: HTMLElement;
  readonly #chart: Chart;
  readonly #headline = makeElement('p', 'headline', '–');
  readonly #when = makeElement('p', 'when');
  readonly #plotBox = makeElement('div', 'plot');
  readonly #legend = makeElement('ul', 'legend');
  readonly #none = makeElement('p', 'none');
  #plot: uPlot | null = null;
  #lines: readonly Line[] = [];
  #rows: LegendRow[] = [];
  #moments: readonly Moment[] = [];
  #tick: Tick | null = null;
  /** The moment under the pointer, null for the newest. */
  #pointed: number | null = null;

  constructor(chart: Chart) {
    this.#chart = chart;
    const heading = makeElement('h3', '', chart.title);
    heading.id = `chart-${chart.id}`;
    this.#legend.id = `legend-${chart.id}`;
    this.#plotBox.setAttribute('role', 'img');
    this.#plotBox.setAttribute('aria-label', `Chart: ${chart.title}`);
    this.#plotBox.setAttribute('aria-describedby', this.#legend.id);
    setText(this.#none, chart.none ?? '');
    this.#makeLegend();
    const head = makeElement('div', 'card-head', heading, this.#headline, this.#when);
    this.element = makeElement('section', 'card', head, this.#plotBox, this.#none, this.#legend);
    this.element.id = chart.id;
    this.element.setAttribute('aria-labelledby', heading.id);
    new ResizeObserver(() => {
      const width = this.#plotBox.clientWidth;
      if (this.#plot !== null && width > 0 && width !== this.#plot.width) this.#plot.setSize({ width, height: HEIGHT });
    }).observe(this.#plotBox);
  }

  /** Writes the newest values; draws the moments too where `draws`. */
  show(moments: readonly Moment[], tick: Tick | null, spanMs: number, draws: boolean): void {
    this.#tick = tick;
    const samples = moments.flatMap(({ sample }) => (sample === null ? [] : [sample]));
    const lines = this.#chart.lines(samples, tick);
    const isSame =
      lines.length === this.#lines.length && lines.every(({ label }, i) => label === this.#lines[i]?.label);
    this.#lines = lines;
    if (!isSame) this.#makeLegend();
    if (draws || !isSame) {
      this.#moments = moments;
      if (!isSame || this.#plot === null) this.#makePlot(spanMs);
      else this.#draw(spanMs);
    }
    this.#write();
  }

  /** Draws anew from nothing: the colours have changed. */
  recolor(spanMs: number): void {
    if (this.#plot !== null) this.#makePlot(spanMs);
  }

  #makeLegend(): void {
    this.#none.hidden = this.#lines.length > 0;
    this.#plotBox.hidden = this.#lines.length === 0;
    this.#rows = this.#lines.map(() => ({ value: makeElement('span', 'value'), total: makeElement('span', 'total') }));
    const items = this.#lines.map(({ label }, i) => {
      const { value = '', total = '' } = this.#rows[i] ?? {};
      const item = makeElement('li', '', makeSwatch(i), makeElement('span', 'label', label), ' ', value, ' ', total);
      item.dataset.line = label;
      return item;
    });
    this.#legend.replaceChildren(...items);
  }

  #makePlot(spanMs: number): void {
    this.#plot?.destroy();
    this.#plot = null;
    const width = this.#plotBox.clientWidth;
    if (this.#lines.length === 0 || width === 0) return;
    this.#plot = new uPlot(plotOptions(this.#chart.unit, this.#lines, width), this.#columns(), this.#plotBox);
    this.#plot.hooks.setCursor = [({ cursor }) => this.#point(cursor.idx ?? null)];
    this.#draw(spanMs);
  }

  #draw(spanMs: number): void {
    const end = this.#moments.at(-1)?.at ?? 0;
    const first = this.#moments[0]?.at ?? 0;
    // A server that has just been started would else be a sliver at the edge.
    const start = Math.max(end - spanMs, Math.min(first, end - LEAST_SPAN_MS));
    this.#plot?.batch((plot: uPlot) => {
      plot.setData(this.#columns(), true);
      plot.setScale('x', { min: start / 1_000, max: end / 1_000 });
    });
  }

  #columns(): uPlot.AlignedData {
    const values = this.#lines.map(({ value }) =>
      this.#moments.map(({ sample }) => (sample === null ? null : value(sample))),
    );
    return [this.#moments.map(({ at }) => at / 1_000), ...values];
  }

  #point(index: number | null): void {
    this.#pointed = index;
    this.#write();
  }

  /** The values of the moment under the pointer, else of the newest; totals are always the newest. */
  #write(): void {
    const pointed = this.#pointed === null ? undefined : this.#moments[this.#pointed];
    const sample: Sample | null = pointed === undefined ? (this.#tick?.sample ?? null) : pointed.sample;
    const { unit, totalUnit = 'count', headline } = this.#chart;
    setText(this.#when, pointed === undefined ? '' : `at ${writeTime(pointed.at)}`);
    setText(this.#headline, sample === null ? '–' : writeValue(headline(sample), unit));
    for (const [i, { value, total }] of this.#lines.entries()) {
      const row = this.#rows[i];
      if (row === undefined) continue;
      setText(row.value, sample === null ? '–' : writeValue(value(sample), unit));
      if (total !== undefined && this.#tick !== null) setText(row.total, writeTotal(total(this.#tick), totalUnit));
    }
  }
}

function writeTotal(total: number, unit: Unit): string {
  return `${writeValue(total, unit)} in all`;
}

/** A piece of the line as the chart draws it. */
function makeSwatch(line: number): Element {
  const swatch = document.createElementNS(SVG, 'svg');
  swatch.setAttribute('class', `swatch line-${line % DASHES.length}`);
  swatch.setAttribute('aria-hidden', 'true');
  const stroke = document.createElementNS(SVG, 'line');
  const dashes = DASHES[line % DASHES.length] ?? [];
  const places = { x2: SWATCH_WIDTH, y1: '50%', y2: '50%', 'stroke-dasharray': dashes.join(' ') || 'none' };
  for (const [name, value] of Object.entries(places)) stroke.setAttribute(name, String(value));
  swatch.append(stroke);
  return swatch;
}

function plotOptions(unit: Unit, lines: readonly Line[], width: number): uPlot.Options {
  const style = getComputedStyle(document.documentElement);
  const color = (name: string): string => style.getPropertyValue(name).trim();
  const axis: uPlot.Axis = {
    stroke: color('--dim'),
    font: '11px system-ui, sans-serif',
    grid: { stroke: color('--grid'), width: 1 },
    ticks: { show: false },
  };
  return {
    width,
    height: HEIGHT,
    padding: [8, 8, 0, 0],
    legend: { show: false },
    cursor: { sync: { key: CURSOR }, drag: { x: false, y: false }, y: false },
    scales: {
      x: { time: true },
      y: { range: (_plot, _min, max) => [0, max > 0 ? (uPlot.rangeNum(0, max, 0.1, true)[1] ?? max) : 1] },
    },
    axes: [
      {
        ...axis,
        space: 80,
        size: 26,
        values: (plot, splits) => {
          const end = plot.bbox.width / devicePixelRatio - LABEL_ROOM;
          const times = writeTimes(splits.map((at) => at * 1_000));
          return times.map((time, i) => (plot.valToPos(splits[i] ?? 0, 'x') > end ? '' : time));
        },
      },
      {
        ...axis,
        size: AXIS_WIDTH,
        space: 34,
        values: (_plot, splits) => splits.map((value) => writeTick(value, unit)),
      },
    ],
    series: [
      {},
      ...lines.map(({ label }, i): uPlot.Series => {
        const stroke = color(`--line-${i % DASHES.length}`);
        const fill = lines.length === 1 ? { fill: color('--line-0-fill') } : {};
        return {
          label,
          stroke,
          width: 1.75,
          dash: [...(DASHES[i % DASHES.length] ?? [])],
          points: { show: false },
          ...fill,
        };
      }),
    ],
  };
}
