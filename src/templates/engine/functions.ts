import { limited, MAX_COUNT, NamedArguments, unwrap } from "./values.ts";

/** What every template may call. */
export const FUNCTIONS: Readonly<Record<string, unknown>> = Object.assign(Object.create(null) as object, {
  range,
  dict: (named?: unknown) => (named instanceof NamedArguments ? { ...named.values } : {}),
  namespace: createNamespace,
  cycler: (...values: unknown[]) => new Cycler(values),
  joiner: (by: unknown = ", ") => {
    let isFirst = true;
    return () => {
      const text = isFirst ? "" : by;
      isFirst = false;
      return text;
    };
  },
});

const namespaces = new WeakSet<object>();

/** Whether `{% set ns.count = 1 %}` may change this, from within a loop too. */
export function isNamespace(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && namespaces.has(value);
}

function createNamespace(named?: unknown): object {
  const made = named instanceof NamedArguments ? { ...named.values } : {};
  namespaces.add(made);
  return made;
}

class Cycler {
  readonly #values: readonly unknown[];
  #index = 0;

  constructor(values: readonly unknown[]) {
    this.#values = values;
  }

  get current(): unknown {
    return this.#values[this.#index];
  }

  next(): unknown {
    const { current } = this;
    this.#index = (this.#index + 1) % this.#values.length;
    return current;
  }

  reset(): void {
    this.#index = 0;
  }
}

function range(first: unknown, second?: unknown, by: unknown = 1): number[] {
  const [from, to] =
    second === undefined ? [0, Number(first)] : [Number(unwrap(first)), Number(unwrap(second))];
  const step = Number(by);
  const count = Math.ceil((to - from) / step);
  if (!Number.isFinite(count))
    throw new RangeError("Cannot make a range: expected numbers, with a step that isn't 0");
  if (count > MAX_COUNT)
    throw new RangeError(`Cannot make a range of ${count} numbers: at most ${MAX_COUNT}`);
  return limited(Array.from({ length: Math.max(0, count) }, (_, index) => from + index * step));
}
