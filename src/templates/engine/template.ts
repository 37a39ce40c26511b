import {
  assertBounded,
  type BlockRenderer,
  type Context,
  createMacro,
  isDue,
  Loop,
  type Names,
  type RenderState,
  toMarkup,
} from "./context.ts";
import { isNamespace } from "./functions.ts";
import { call, callMember } from "./methods.ts";
import { TemplateError } from "./problems.ts";
import { TemplateWriter } from "./statements.ts";
import { parseTemplate } from "./syntax.ts";
import * as values from "./values.ts";
import type { Parameter, Reference, Vocabulary } from "./writer.ts";

/** The text of a template, and where it comes from. */
export interface TemplateSource {
  /** Below the folder of its owner, such as "components/card.html". */
  readonly name: string;
  /** Path to show, such as "templates/components/card.html". */
  readonly shown: string;
  readonly text: string;
}

/** A template that can be rendered. */
export interface Template {
  readonly source: TemplateSource;
  readonly blocks: readonly (readonly [name: string, render: BlockRenderer])[];
  readonly references: readonly Reference[];
  /** What it takes as a component; null where it doesn't say. */
  readonly parameters: readonly Parameter[] | null;
  /** Names that others may import. */
  readonly exports: ReadonlySet<string>;
  /** Finds what it refers to; null where there is none. @throws TemplateError for what can't be used */
  resolve(reference: Reference): Template | null;
  /** The same as plain text, in which nothing is escaped, with all that it refers to; itself where it is plain text. */
  readonly plain: Template;
  /** Renders it. @throws TemplateError */
  run(context: Context): string;
}

/** What a template is compiled with: the words that it may use, and how it finds others. */
export interface Surroundings {
  readonly vocabulary: Vocabulary;
  readonly filters: Readonly<Record<string, unknown>>;
  readonly tests: Readonly<Record<string, unknown>>;
  readonly globals: Names;
  /** Finds what a template names, as it is now; null where there is none. */
  find(name: string, from: TemplateSource): Template | null;
  findComponent(name: string, from: TemplateSource): Template | null;
}

type Made = {
  readonly root: (context: Context) => string;
  readonly blocks: readonly (readonly [string, BlockRenderer])[];
};

const RUNTIME = {
  ...values,
  call,
  callMember,
  assertBounded,
  isDue,
  createMacro,
  Loop,
  toMarkup,
  located,
  defined,
  assertGiven,
  setIn,
  toNumber,
};
const PLAIN_RUNTIME = { ...RUNTIME, show: values.toText };
const PROLOGUE = `"use strict"; const { ${Object.keys(RUNTIME).join(", ")} } = runtime;`;

/**
 * Compiles a template.
 *
 * @throws TemplateError with line and column for what it doesn't know
 */
export function compileTemplate(source: TemplateSource, surroundings: Surroundings): Template {
  const { filters, tests, globals } = surroundings;
  const { make, references, parameters, exports } = write(source, surroundings);
  const instantiate = (isPlain: boolean): Template => {
    const asThis = (found: Template): Template => (isPlain ? found.plain : found);
    const lookup = {
      find(names: unknown, mayMiss = false) {
        const found = findFirst(names, mayMiss, (name) => surroundings.find(name, source));
        return found === null ? null : asThis(found);
      },
      findComponent(name: unknown) {
        const found = surroundings.findComponent(values.toText(name), source);
        if (found === null) throw new TypeError(`There is no component "${values.toText(name)}"`);
        return asThis(found);
      },
      source,
    };
    const { root, blocks } = make(filters, tests, globals, lookup, isPlain ? PLAIN_RUNTIME : RUNTIME);
    let plain: Template | null = null;
    const template: Template = {
      source,
      blocks,
      references,
      parameters,
      exports,
      get plain() {
        return isPlain ? template : (plain ??= instantiate(true));
      },
      resolve: (reference) => resolveReference(reference, source, surroundings),
      run(context) {
        context.addBlocks(template);
        return root(context);
      },
    };
    return template;
  };
  return instantiate(isPlainText(source));
}

/** @throws TemplateError, also for what nobody has thought of: one template must not keep the others from being used */
function write({ text, shown }: TemplateSource, { vocabulary }: Surroundings) {
  try {
    const writer = new TemplateWriter(shown, vocabulary);
    const code = writer.write(parseTemplate(text, shown));
    const { references, parameters, exports } = writer;
    // oxlint-disable-next-line typescript/no-implied-eval -- it is made of a template, whose names are held to be names
    const make = new Function("f", "t", "g", "template", "runtime", PROLOGUE + code) as (
      ...args: unknown[]
    ) => Made;
    return { make, references, parameters, exports };
  } catch (error) {
    if (error instanceof TemplateError) throw error;
    const problem =
      error instanceof RangeError
        ? "Cannot read the template: its tags or brackets stand too deep in each other"
        : `Cannot use the template: ${(error as Error).message}`;
    throw new TemplateError(problem, shown, { lineno: 0, colno: 0 }, { cause: error });
  }
}

function resolveReference(
  { kind, names, place }: Reference,
  source: TemplateSource,
  surroundings: Surroundings,
): Template | null {
  try {
    for (const name of names) {
      const found =
        kind === "component" ? surroundings.findComponent(name, source) : surroundings.find(name, source);
      if (found !== null) return found;
    }
    return null;
  } catch (error) {
    if (error instanceof TypeError) throw new TemplateError(error.message, source.shown, place);
    throw error;
  }
}

/** Nothing is escaped where nothing is markup. */
function isPlainText({ name }: TemplateSource): boolean {
  return name.endsWith(".txt");
}

function findFirst(
  names: unknown,
  mayMiss: boolean,
  find: (name: string) => Template | null,
): Template | null {
  const all = Array.isArray(names) ? names : [names];
  for (const name of all) {
    const found = find(values.toText(name));
    if (found !== null) return found;
  }
  if (mayMiss) return null;
  throw new TypeError(
    `There is no template ${all.map((name) => JSON.stringify(values.toText(name))).join(" or ")}`,
  );
}

/** Says where in a template something failed; the innermost place is the one. */
function located(error: unknown, { source }: { source: TemplateSource }, place: number): unknown {
  if (error instanceof TemplateError) return error;
  const { message } = error instanceof Error ? error : { message: String(error) };
  const isDeep = error instanceof RangeError && message.startsWith("Maximum call stack");
  return new TemplateError(
    isDeep ? "A macro calls itself without end" : message,
    source.shown,
    { lineno: Math.floor(place / 65_536), colno: place % 65_536 },
    { cause: error },
  );
}

function defined(value: unknown, state: RenderState, shown: string): unknown {
  if (value === undefined && state.isStrict)
    throw new TypeError(
      `"${shown}" isn't defined: write {{ ${shown} | default("") }} where it may be missing`,
    );
  return value;
}

function assertGiven(given: Names, parameters: readonly Parameter[]): void {
  const missing = parameters.find(({ name, isRequired }) => isRequired && given[name] === undefined);
  if (missing !== undefined) throw new TypeError(`The component needs "${missing.name}"`);
}

function setIn(target: unknown, key: string, value: unknown): void {
  if (!isNamespace(target)) throw new TypeError(`Cannot set "${key}" of this: make it with namespace()`);
  target[key] = value;
}

function toNumber(value: unknown): number {
  if (typeof value === "number") return value;
  if (value === undefined || value === null) throw new TypeError("Cannot calculate: a value isn't there");
  return Number(values.unwrap(value));
}
