import { closestWord } from "../errors/suggestion.ts";
import { Context, createState, type Names, type RequestLookup } from "./engine/context.ts";
import { type Filter, FILTERS } from "./engine/filters.ts";
import { FUNCTIONS } from "./engine/functions.ts";
import { TemplateError } from "./engine/problems.ts";
import { compileTemplate, type Surroundings, type Template, type TemplateSource } from "./engine/template.ts";
import { TESTS } from "./engine/tests.ts";
import type { Reference, Vocabulary } from "./engine/writer.ts";
import { REQUEST_NAMES } from "./request-names.ts";

const NAME = /^[\w-][\w.-]*(?:\/[\w-][\w.-]*)*$/;
/** How long a way from one template to the next is looked along. */
const MAX_WAY = 1000;
/** By this, a template names one of xcore's own, whoever's it is itself. */
const CORE = "xcore/";
/** Whose templates are xcore's own, and those of the project. */
export const CORE_OWNER = "xcore";

/** Templates by name, in the order in which they are looked for: each layer overrides those behind it. */
export type Layers = readonly ReadonlyMap<string, TemplateSource>[];

/** What a library adds to what all templates know. */
export interface Additions {
  readonly globals: ReadonlyMap<string, unknown>;
  readonly filters: ReadonlyMap<string, (...args: unknown[]) => unknown>;
}

export interface LibraryOptions {
  /** CORE_OWNER, or the name of a plugin. */
  readonly owner: string;
  readonly layers: Layers;
  readonly additions: Additions;
  /** Finds what this library doesn't have, by its whole name; null for the core's own. */
  readonly others: (name: string, from: TemplateSource | null) => Template | null;
  /** The same for components. */
  readonly otherComponents: (name: string) => Template | null;
}

/** The templates of one owner, and what they may use: compiled when they are first needed, and kept. */
export class Library {
  readonly owner: string;
  readonly #layers: Layers;
  readonly #others: LibraryOptions["others"];
  readonly #otherComponents: LibraryOptions["otherComponents"];
  readonly #surroundings: Surroundings;
  readonly #compiled = new Map<TemplateSource, Template>();

  constructor({ owner, layers, additions, others, otherComponents }: LibraryOptions) {
    this.owner = owner;
    this.#layers = layers;
    this.#others = others;
    this.#otherComponents = otherComponents;
    const own = Object.fromEntries(additions.filters);
    const filters = new Map<string, Filter>([
      ...Object.entries(FILTERS),
      ...Object.entries(own).map(([name, run]) => [name, { run, parameters: null }] as const),
    ]);
    const globals = Object.assign(
      Object.create(null) as Names,
      FUNCTIONS,
      Object.fromEntries(additions.globals),
    );
    this.#surroundings = {
      vocabulary: createVocabulary(filters, globals),
      filters: Object.fromEntries([...filters].map(([name, { run }]) => [name, run])),
      tests: TESTS,
      globals,
      find: (name, from) => this.find(name, from),
      findComponent: (name) => this.findComponent(name),
    };
  }

  /** All of its templates, the ones that are overridden left out. */
  get sources(): TemplateSource[] {
    const all = new Map<string, TemplateSource>();
    for (const layer of this.#layers.toReversed()) for (const [name, source] of layer) all.set(name, source);
    return [...all.values()];
  }

  /** All texts that pages may be made of. */
  get texts(): string[] {
    return this.#layers.flatMap((layer) => [...layer.values()].map(({ text }) => text));
  }

  /** Names of its own templates. */
  get names(): string[] {
    return [...new Set(this.#layers.flatMap((layer) => [...layer.keys()]))];
  }

  /**
   * Finds a template.
   *
   * @param from the one that names it: a template that names itself means the one that it overrides
   * @throws TypeError for a name that leads elsewhere
   * @throws TemplateError for one that can't be compiled
   */
  find(name: string, from: TemplateSource | null = null): Template | null {
    assertName(name);
    if (name.startsWith(CORE) && this.owner !== CORE_OWNER)
      return this.#others(name.slice(CORE.length), null);
    const own = [CORE, `${this.owner}/`].find((prefix) => name.startsWith(prefix));
    const below = own === undefined ? name : name.slice(own.length);
    const found = this.#findOwn(below, from) ?? (below === name ? null : this.#findOwn(name, from));
    return found ?? this.#others(name, from) ?? this.#findSame(below, from);
  }

  /** Finds a component: its own, or the core's. */
  findComponent(name: string): Template | null {
    assertName(name);
    return this.#findOwn(`components/${name}.html`, null) ?? this.#otherComponents(name);
  }

  /**
   * Compiles all templates, and checks that what they name is there.
   *
   * @throws TemplateError for the first that can't be used
   */
  check(): void {
    for (const source of this.sources) this.#checkOne(this.#compile(source));
    const done = new Set<TemplateSource>();
    for (const source of this.sources) this.#assertNoCircle(this.#compile(source), [], done);
  }

  /** What is wrong with one of its templates; null for nothing. */
  problemOf(source: TemplateSource): TemplateError | null {
    try {
      const template = this.#compile(source);
      this.#checkOne(template);
      this.#assertNoCircle(template, [], new Set());
      return null;
    } catch (error) {
      if (error instanceof TemplateError) return error;
      throw error;
    }
  }

  /**
   * Renders a template.
   *
   * @throws TemplateError for what fails in it
   */
  render(
    template: Template,
    data: Names,
    { isStrict, request }: { isStrict: boolean; request: RequestLookup },
  ): string {
    return template.run(new Context(createState(isStrict, request), data));
  }

  #findOwn(name: string, from: TemplateSource | null): Template | null {
    let isBelow = !this.#isNamed(name, from);
    for (const layer of this.#layers) {
      const source = layer.get(name);
      if (source !== undefined && isBelow) return this.#compile(source);
      if (source !== undefined && source === from) isBelow = true;
    }
    return null;
  }

  /** The template itself, where it overrides none. */
  #findSame(name: string, from: TemplateSource | null): Template | null {
    return from !== null && this.#isNamed(name, from) ? this.#compile(from) : null;
  }

  /** Whether it is what goes by this name here, or is overridden by it. */
  #isNamed(name: string, source: TemplateSource | null): boolean {
    return source !== null && this.#layers.some((layer) => layer.get(name) === source);
  }

  #compile(source: TemplateSource): Template {
    const known = this.#compiled.get(source);
    if (known !== undefined) return known;
    const template = compileTemplate(source, this.#surroundings);
    this.#compiled.set(source, template);
    return template;
  }

  #checkOne(template: Template): void {
    for (const reference of template.references) checkReference(reference, template);
  }

  /**
   * A template that uses itself would never end.
   *
   * @param done those that were found to lead to none, with all that they use: several may use the same
   */
  #assertNoCircle(template: Template, path: readonly TemplateSource[], done: Set<TemplateSource>): void {
    const { source, references } = template;
    if (done.has(source)) return;
    const way = [...path, source];
    if (way.length > MAX_WAY)
      throw new TemplateError(`Templates stand more than ${MAX_WAY} deep in each other`, source.shown, {
        lineno: 0,
        colno: 0,
      });
    for (const reference of references) {
      const target = template.resolve(reference);
      if (target === null) continue;
      if (way.includes(target.source)) {
        const names = [...way.slice(way.indexOf(target.source)), target.source].map(({ shown }) => shown);
        throw new TemplateError(
          `Cannot use the template within itself: ${names.join(" -> ")}`,
          source.shown,
          reference.place,
        );
      }
      this.#assertNoCircle(target, way, done);
    }
    done.add(source);
  }
}

/** @throws TemplateError for a reference to what isn't there, or isn't used as it says */
function checkReference(reference: Reference, template: Template): void {
  const { source } = template;
  const { kind, names, place, mayMiss, uses } = reference;
  const fail = (problem: string): never => {
    throw new TemplateError(problem, source.shown, place);
  };
  const target = template.resolve(reference);
  const shown = names.map((name) => JSON.stringify(name)).join(" or ");
  if (target === null) {
    if (mayMiss) return;
    const where = kind === "component" ? `: write templates/components/${names[0] ?? ""}.html` : "";
    fail(`There is no ${kind === "component" ? "component" : "template"} ${shown}${where}`);
    return;
  }
  if (kind === "import") {
    const missing = uses.find((name) => !target.exports.has(name));
    if (missing !== undefined) fail(`Cannot import "${missing}": ${shown} doesn't define it`);
  }
  if (kind !== "component" || target.parameters === null) return;
  const known = target.parameters.map(({ name }) => name);
  const unknown = uses.find((name) => !known.includes(name));
  if (unknown !== undefined)
    fail(`The component ${shown} has no parameter "${unknown}": it has ${known.join(", ") || "none"}`);
  const missing = target.parameters.find(({ name, isRequired }) => isRequired && !uses.includes(name));
  if (missing !== undefined) fail(`The component ${shown} needs "${missing.name}"`);
}

function createVocabulary(filters: ReadonlyMap<string, Filter>, globals: Names): Vocabulary {
  const words = {
    filter: () => [...filters.keys()],
    test: () => Object.keys(TESTS),
    function: () => [...Object.keys(globals), ...REQUEST_NAMES],
  };
  return {
    findFilter: (name) => filters.get(name),
    hasTest: (name) => Object.hasOwn(TESTS, name),
    isGlobal: (name) => Object.hasOwn(globals, name) || isOfRequest(name),
    suggest(kind, name) {
      const meant = closestWord(name, words[kind]());
      return meant === undefined ? "" : ` (did you mean "${meant}"?)`;
    },
  };
}

function isOfRequest(name: string): boolean {
  return (REQUEST_NAMES as readonly string[]).includes(name);
}

/** @throws TypeError for a name that may lead out of the folder of templates */
function assertName(name: string): void {
  if (NAME.test(name) && !name.includes("..")) return;
  throw new TypeError(
    `Cannot use the template ${JSON.stringify(name.slice(0, 100))}: expected a path below templates/, such as "blog/list.html"`,
  );
}
