/** An object of JSON. */
export type Json = Record<string, unknown>;

/** Returns the part of a value that a document may hold, undefined for none. Whoever wrote the value may have erred. */
export type Fit = (value: unknown) => unknown;

export const text: Fit = (value) => (typeof value === "string" ? value : undefined);
export const flag: Fit = (value) => (typeof value === "boolean" ? value : undefined);
export const finite: Fit = (value) => {
  const number = typeof value === "bigint" ? Number(value) : value;
  return Number.isFinite(number) ? number : undefined;
};
export const positive: Fit = (value) => {
  const number = finite(value) as number | undefined;
  return number !== undefined && number > 0 ? number : undefined;
};
export const count: Fit = (value) => (Number.isSafeInteger(value) && Number(value) >= 0 ? value : undefined);

/** A copy of what JSON can hold of a value. */
export const data: Fit = (value) => {
  try {
    const json = JSON.stringify(value) as string | undefined;
    return json === undefined ? undefined : (JSON.parse(json) as unknown);
  } catch {
    return undefined;
  }
};

/** The source of a regular expression as JSON Schema reads it: that of ECMAScript with its flag "u". */
export const pattern: Fit = (value) => {
  const source = value instanceof RegExp ? value.source : value;
  return typeof source === "string" && isPattern(source) ? source : undefined;
};

export function isPattern(source: string): boolean {
  try {
    return new RegExp(source, "u") instanceof RegExp;
  } catch {
    return false;
  }
}

export function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function oneOf(...values: readonly unknown[]): Fit {
  return (value) => (values.includes(value) ? value : undefined);
}

/** A list of what fits, undefined for none at all where it mustn't be empty. */
export function listOf(
  fit: Fit,
  { isSet = false, mayBeEmpty = false }: { isSet?: boolean; mayBeEmpty?: boolean } = {},
): Fit {
  return (value) => {
    if (!Array.isArray(value)) return undefined;
    const fitting = value.map(fit).filter((item) => item !== undefined);
    const items = isSet ? [...new Set(fitting)] : fitting;
    return items.length > 0 || mayBeEmpty ? items : undefined;
  };
}

/** An object of any names. */
export function mapOf(fit: Fit, isName: (name: string) => boolean = () => true): Fit {
  return (value) => {
    if (!isObject(value)) return undefined;
    const entries = Object.entries(value).map(([name, item]) => [name, fit(item)] as const);
    return Object.fromEntries(entries.filter(([name, item]) => item !== undefined && isName(name)));
  };
}

/** An object of certain names, with what it takes in place of those that must be there. */
export function shapeOf(fits: Readonly<Record<string, Fit>>, required: Json = {}): Fit {
  return (value) => {
    if (!isObject(value) || "$ref" in value) return undefined; // of references, only those to schemas lead anywhere
    return { ...required, ...fitEntries(value, fits) };
  };
}

/** What fits of an object, in its own order; extensions, `x-…`, are anything. */
export function fitEntries(value: Json, fits: Readonly<Record<string, Fit>>): Json {
  const entries = Object.keys(value).flatMap((key) => {
    const fit = Object.hasOwn(fits, key) ? fits[key] : key.startsWith("x-") ? data : undefined;
    const fitting = fit?.(value[key]);
    return fitting === undefined ? [] : [[key, fitting] as const];
  });
  return Object.fromEntries(entries);
}
