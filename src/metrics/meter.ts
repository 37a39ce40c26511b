/** One kind of figure: what it is called, what it means, and what its lines are told apart by. */
export interface Definition {
  readonly name: string;
  readonly help: string;
  readonly type: "counter" | "gauge" | "histogram";
  /** Beside those of the plugin. */
  readonly labels: readonly string[];
  /** Upper bounds of a histogram's buckets, ascending. */
  readonly buckets?: readonly number[];
}

/** Counts up. */
export class Counter {
  value = 0;
}

/** Counts values by their size. */
export class Histogram {
  readonly bounds: readonly number[];
  /** Of each bucket alone, the last one for what is above all bounds. */
  readonly counts: number[];
  sum = 0;

  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.counts = Array.from({ length: bounds.length + 1 }, () => 0);
  }

  observe(value: number): void {
    const { bounds } = this;
    let bucket = 0;
    while (bucket < bounds.length && value > bounds[bucket]!) bucket += 1;
    this.counts[bucket]! += 1;
    this.sum += value;
  }
}

/** What the cache has done for one plugin. */
export interface CacheCounts {
  hits: number;
  /** Of the hits, those that were past their time. */
  stale: number;
  misses: number;
}

/** What is measured with one set of labels. */
export interface Series<Kind extends Counter | Histogram = Counter | Histogram> {
  readonly values: readonly string[];
  readonly figure: Kind;
}

/** So many lines of one kind a plugin may have: names of events and of jobs are its own. */
const MAX_SERIES = 1000;
const OTHERS = "(others)";

/** All that is measured of one version of a plugin, or of the core. */
export class Meter {
  readonly plugin: string;
  /** Of its sources, as far as it takes to tell versions apart. */
  readonly hash: string;
  readonly cache: CacheCounts = { hits: 0, stale: 0, misses: 0 };
  readonly #series = new Map<Definition, Map<string, Series>>();

  constructor(plugin: string, hash: string) {
    this.plugin = plugin;
    this.hash = hash;
  }

  /** Returns the counter with these values of its labels. */
  counter(definition: Definition, ...values: string[]): Counter {
    return this.#find(definition, values, () => new Counter()) as Counter;
  }

  /** Returns the histogram with these values of its labels. */
  histogram(definition: Definition, ...values: string[]): Histogram {
    return this.#find(definition, values, () => new Histogram(definition.buckets ?? [])) as Histogram;
  }

  /** All there is, by kind. */
  series(): ReadonlyMap<Definition, Iterable<Series>> {
    return new Map([...this.#series].map(([definition, all]) => [definition, all.values()]));
  }

  #find(definition: Definition, values: readonly string[], make: () => Series["figure"]): Series["figure"] {
    let all = this.#series.get(definition);
    if (all === undefined) this.#series.set(definition, (all = new Map()));
    const key = values.length === 1 ? values[0]! : values.join("\0");
    const known = all.get(key);
    if (known !== undefined) return known.figure;
    if (all.size >= MAX_SERIES && values[0] !== OTHERS)
      return this.#find(
        definition,
        values.map(() => OTHERS),
        make,
      );
    const figure = make();
    all.set(key, { values, figure });
    return figure;
  }
}
