/** Counters, gauges and histograms of this process, and their text for a scraper. */
import { assert } from "#base";
import { type MetricFamily, renderFamilies } from "./prometheus-text.ts";

export type Labels = Readonly<Record<string, string>>;

/** Only grows; starts at 0 with the process. */
export interface Counter {
  add(labels?: Labels, by?: number): void;
}

export interface Gauge {
  set(value: number, labels?: Labels): void;
  /** Forgets all series, for gauges that are written anew at each scrape. */
  clear(): void;
}

export interface Histogram {
  observe(value: number, labels?: Labels): void;
}

/** Series of one metric. Labels come from closed lists, so more than this is a label that is not one. */
export const MAX_SERIES = 1_000;

/** Upper bounds for spans from a millisecond to a day, in seconds. */
export const SPAN_BUCKETS_SECONDS: readonly number[] = [
  0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 1_800, 3_600, 21_600, 86_400,
];

/** Upper bounds for answers of an API, in seconds. */
export const REQUEST_BUCKETS_SECONDS: readonly number[] = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
];

const NAME = /^[a-z][a-z0-9_]*$/;
/** What a series beyond the limit is counted under. */
const OVERFLOW: Labels = { overflow: "true" };

type Series = { readonly labels: Labels; value: number };
type HistogramSeries = { readonly labels: Labels; readonly counts: number[]; sum: number; count: number };

export class MetricRegistry {
  readonly #families: (() => MetricFamily)[] = [];
  readonly #names = new Set<string>();
  readonly #collectors: (() => void | Promise<void>)[] = [];

  /** @param name in the form `drover_tasks_total`, unit last */
  counter(name: string, help: string): Counter {
    const series = new Map<string, Series>();
    this.#add(name, () => ({ name, help, type: "counter", samples: [...series.values()].map(sampleOf(name)) }));
    return {
      add: (labels = {}, by = 1) => {
        assert(by >= 0, `counter ${name} only grows`);
        seriesFor(series, labels, () => ({ labels, value: 0 })).value += by;
      },
    };
  }

  gauge(name: string, help: string): Gauge {
    const series = new Map<string, Series>();
    this.#add(name, () => ({ name, help, type: "gauge", samples: [...series.values()].map(sampleOf(name)) }));
    return {
      set: (value, labels = {}) => {
        seriesFor(series, labels, () => ({ labels, value })).value = value;
      },
      clear: () => series.clear(),
    };
  }

  /** @param buckets upper bounds, ascending, without the last one, which is infinite */
  histogram(name: string, help: string, buckets: readonly number[]): Histogram {
    const series = new Map<string, HistogramSeries>();
    this.#add(name, () => ({
      name,
      help,
      type: "histogram",
      samples: [...series.values()].flatMap((one) => histogramSamples(name, buckets, one)),
    }));
    return {
      observe: (value, labels = {}) => {
        const fresh = (): HistogramSeries => ({ labels, counts: buckets.map(() => 0), sum: 0, count: 0 });
        const one = seriesFor(series, labels, fresh);
        one.count += 1;
        one.sum += value;
        const index = buckets.findIndex((bound) => value <= bound);
        if (index >= 0) one.counts[index] = (one.counts[index] ?? 0) + 1;
      },
    };
  }

  /** Called before each scrape, to bring gauges up to date. */
  onScrape(collect: () => void | Promise<void>): void {
    this.#collectors.push(collect);
  }

  /** @returns every metric in the Prometheus text format, version 0.0.4. */
  async scrape(): Promise<string> {
    return renderFamilies(await this.collect());
  }

  /** @returns every metric as it is now. */
  async collect(): Promise<readonly MetricFamily[]> {
    for (const collect of this.#collectors) await collect();
    return this.#families.map((family) => family());
  }

  #add(name: string, family: () => MetricFamily): void {
    assert(NAME.test(name) && !this.#names.has(name), `metric ${name} has a proper name and is registered once`);
    this.#names.add(name);
    this.#families.push(family);
  }
}

function seriesFor<S>(all: Map<string, S>, labels: Labels, fresh: () => S): S {
  const key = seriesKey(labels);
  const known = all.get(key);
  if (known !== undefined) return known;
  if (all.size >= MAX_SERIES && labels !== OVERFLOW) {
    return seriesFor(all, OVERFLOW, () => ({ ...fresh(), labels: OVERFLOW }));
  }
  const made = fresh();
  all.set(key, made);
  return made;
}

function seriesKey(labels: Labels): string {
  return JSON.stringify(Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1)));
}

function sampleOf(name: string): (series: Series) => MetricFamily["samples"][number] {
  return ({ labels, value }) => ({ name, labels, value });
}

function histogramSamples(name: string, buckets: readonly number[], series: HistogramSeries): MetricFamily["samples"] {
  let below = 0;
  const bounded = buckets.map((bound, index) => {
    below += series.counts[index] ?? 0;
    return { name: `${name}_bucket`, labels: { ...series.labels, le: String(bound) }, value: below };
  });
  return [
    ...bounded,
    { name: `${name}_bucket`, labels: { ...series.labels, le: "+Inf" }, value: series.count },
    { name: `${name}_sum`, labels: series.labels, value: series.sum },
    { name: `${name}_count`, labels: series.labels, value: series.count },
  ];
}
