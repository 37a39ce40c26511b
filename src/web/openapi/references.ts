import { isObject, type Json } from "./fits.ts";

const MODEL = "#/components/schemas/";
const PROBLEM = `${MODEL}Problem`;

/** Schemas that others are within, the innermost last: where references are looked up. */
type Scopes = readonly Json[];

/** A schema that somebody refers to. */
interface Found {
  readonly target: Json;
  /** Name of its model, if no other one has it. */
  readonly wanted: string;
  /** Where its own references are looked up, null for the place at which it stands. */
  readonly scopes: Scopes | null;
}

/** A schema that becomes a model because it has a name. */
interface Named {
  readonly target: Json;
  readonly wanted: string;
}

/** Makes models of what is referred to, each under a name of its own. */
export class References {
  /** Models by the name that references use. */
  readonly converted: Record<string, unknown> = {};
  readonly #app: string;
  readonly #models: Readonly<Record<string, unknown>>;
  readonly #toBody: (schema: Json) => Json;
  readonly #names = new WeakMap<Json, string>();
  /** What the models were made from, as text where there is one. */
  readonly #sources = new Map<string, string | null>();
  readonly #ids = new Map<string, Json>();
  #scopes: Scopes = [];

  constructor(app: string, models: Readonly<Record<string, unknown>>, toBody: (schema: Json) => Json) {
    this.#app = app;
    this.#models = models;
    this.#toBody = toBody;
  }

  addAll(): void {
    for (const [wanted, target] of Object.entries(this.#models)) {
      if (isObject(target)) this.toModel({ target, wanted });
    }
  }

  /** Looks references up in a schema too, while something is done. */
  within<T>(schema: Json, act: () => T): T {
    const outer = this.#scopes;
    const isPlace = "$defs" in schema || "definitions" in schema || "$schema" in schema || outer.length === 0;
    if (isPlace) this.#scopes = [...outer, schema];
    try {
      return act();
    } finally {
      this.#scopes = outer;
    }
  }

  /**
   * Refers to the model of what a reference, or the name of a model, leads to; null where that is nothing.
   *
   * @param options.isOwn whether a schema refers to one that it is within
   */
  refer(reference: string, { isOwn = false } = {}): Json | null {
    if (reference === PROBLEM) return { $ref: PROBLEM };
    const found = this.#find(reference, isOwn);
    return found === null ? null : this.#toModel(found);
  }

  /** Refers to the model of a schema with a name. */
  toModel(named: Named): Json {
    return this.#toModel({ ...named, scopes: null });
  }

  #find(reference: string, isOwn: boolean): Found | null {
    const wanted = reference.split("/").at(-1) ?? "";
    const own = this.#ids.get(reference);
    if (isOwn && own !== undefined) return { target: own, wanted, scopes: null };
    for (let depth = this.#scopes.length; depth > 0; depth -= 1) {
      const scopes = this.#scopes.slice(0, depth);
      const target = lookUp(scopes.at(-1) ?? {}, reference);
      if (target !== null) return { target, wanted: wanted === "#" ? "Recursive" : wanted, scopes };
    }
    const name = reference.replace(MODEL, "");
    const target = Object.hasOwn(this.#models, name) ? this.#models[name] : own;
    return isObject(target) ? { target, wanted: name, scopes: null } : null;
  }

  /** The model is made when it is first referred to. */
  #toModel({ target, wanted, scopes }: Found): Json {
    const known = this.#names.get(target);
    if (known !== undefined) return { $ref: MODEL + known };
    const source = toText(target);
    const name = this.#toFreeName(wanted, source);
    this.#names.set(target, name);
    if (name in this.converted) return { $ref: MODEL + name };
    this.#sources.set(name, source);
    this.converted[name] = {}; // what refers to it meanwhile need not wait
    const { $id } = target;
    if (typeof $id === "string") this.#ids.set($id, target);
    const outer = this.#scopes;
    this.#scopes = scopes ?? outer;
    try {
      this.converted[name] = this.within(target, () => this.#toBody(target));
    } catch {
      // Of a plugin's own making, with getters that throw and the like: it stays a model of anything.
    } finally {
      this.#scopes = outer;
    }
    return { $ref: MODEL + name };
  }

  resolve(schema: unknown): Json {
    let current = schema;
    for (const seen = new Set<unknown>(); isObject(current) && !seen.has(current);) {
      seen.add(current);
      const { $ref } = current;
      if (typeof $ref !== "string") return current;
      current = this.converted[$ref.replace(MODEL, "")];
    }
    return {};
  }

  /** A name that nothing else has; copies of a schema, as `t.Optional` makes them, share theirs. */
  #toFreeName(wanted: string, source: string | null): string {
    const plain = wanted.replace(MODEL, "").replaceAll(/[^\w.-]/g, "_");
    // TypeBox counts those without a name, from plugin to plugin and from reload to reload.
    const base = `${this.#app}.${/^T\d+$/.test(plain) ? "Recursive" : plain || "Model"}`;
    for (let times = 1; ; times += 1) {
      const name = times === 1 ? base : `${base}_${times}`;
      const taken = this.#sources.get(name);
      if (taken === undefined || (taken !== null && taken === source)) return name;
    }
  }
}

/** What a reference means within one schema: a pointer into it, or the name of one of its definitions. */
function lookUp(root: Json, reference: string): Json | null {
  if (reference.startsWith("#")) {
    const keys = decodeURI(reference).split("/").slice(1);
    const found = keys.reduce<unknown>(
      (value, key) =>
        typeof value === "object" && value !== null
          ? (value as Json)[key.replaceAll("~1", "/").replaceAll("~0", "~")]
          : undefined,
      root,
    );
    return isObject(found) ? found : null;
  }
  const definitions = root["$defs"];
  const found =
    isObject(definitions) && Object.hasOwn(definitions, reference) ? definitions[reference] : null;
  return isObject(found) ? found : null;
}

function toText(schema: Json): string | null {
  try {
    return JSON.stringify(schema);
  } catch {
    return null; // big integers, circles
  }
}
