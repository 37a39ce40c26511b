import type { Filter } from "./filters.ts";
import { type Place, TemplateError } from "./problems.ts";
import type { AstNode } from "./syntax.ts";
import { isReadable } from "./values.ts";

/** What a template names another one for. */
export interface Reference {
  readonly kind: "extends" | "include" | "import" | "component";
  /** The first of these that is there. */
  readonly names: readonly string[];
  readonly place: Place;
  /** Whether it is fine when there is none. */
  readonly mayMiss: boolean;
  /** What is imported from it, or given to it. */
  readonly uses: readonly string[];
}

/** What a component takes. */
export interface Parameter {
  readonly name: string;
  readonly isRequired: boolean;
}

/** What a template may use of the place that it belongs to. */
export interface Vocabulary {
  findFilter(name: string): Filter | undefined;
  hasTest(name: string): boolean;
  /** Whether something that isn't given to the template goes by the name. */
  isGlobal(name: string): boolean;
  /** Returns " (did you mean ...?)", or "". */
  suggest(kind: "filter" | "test" | "function", name: string): string;
}

/** Names that belong to a part of a template, and what they are called in its code. */
export class Scope {
  readonly parent: Scope | null;
  readonly #names = new Map<string, string>();
  /** Code that declares them, before all else of that part. */
  readonly declared: string[] = [];

  constructor(parent: Scope | null) {
    this.parent = parent;
  }

  find(name: string): string | undefined {
    return this.#names.get(name) ?? this.parent?.find(name);
  }

  /** The same without the scopes around. */
  own(name: string): string | undefined {
    return this.#names.get(name);
  }

  set(name: string, variable: string): void {
    this.#names.set(name, variable);
  }

  /** All names that are known here. */
  all(): Map<string, string> {
    return new Map([...(this.parent?.all() ?? []), ...this.#names]);
  }
}

const NAME = /^[\p{ID_Start}_][\p{ID_Continue}]*$/u;

/** What writing expressions and writing statements share: the code so far, its variables, and what it refers to. */
export abstract class Writer {
  readonly references: Reference[] = [];
  protected readonly vocabulary: Vocabulary;
  protected readonly shown: string;
  /** Of the part that is written; null at the top of a template, where names belong to the page. */
  protected scope: Scope | null = null;
  protected lines: string[] = [];
  #count = 0;

  constructor(shown: string, vocabulary: Vocabulary) {
    this.shown = shown;
    this.vocabulary = vocabulary;
  }

  /** @throws TemplateError */
  protected fail(problem: string, { lineno, colno }: Place): never {
    throw new TemplateError(problem, this.shown, { lineno, colno });
  }

  protected emit(line: string): void {
    this.lines.push(line);
  }

  /** Makes the name of a variable. */
  protected variable(): string {
    this.#count += 1;
    return `v${this.#count}`;
  }

  /** Code that notes where the template is, for what may fail there. */
  protected at({ lineno, colno }: Place): string {
    return `p = ${lineno * 65_536 + Math.min(colno, 65_535)}`;
  }

  /** The text of a name that may be used. */
  protected nameOf(node: AstNode): string {
    const name = String(node.value);
    if (node.typename !== "Symbol" || !NAME.test(name))
      return this.fail(`Cannot use "${name}" as a name`, node);
    return name;
  }

  /** @throws TemplateError for a key by which templates could reach the functions that make code */
  protected keyOf(key: string, place: Place): string {
    if (!isReadable(key)) this.fail(`Cannot use "${key}": templates may not reach it`, place);
    return JSON.stringify(key);
  }

  /** Writes what `write` emits in a scope of its own; returns its lines. */
  protected inScope(write: (scope: Scope) => void): string[] {
    const { lines, scope } = this;
    const inner = new Scope(scope);
    this.lines = [];
    this.scope = inner;
    write(inner);
    const written = [...inner.declared, ...this.lines];
    this.lines = lines;
    this.scope = scope;
    return written;
  }
}
