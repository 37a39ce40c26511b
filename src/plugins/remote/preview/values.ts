import type {
  AnonymousFunctionDeclaration,
  ArrowFunctionExpression,
  FunctionDeclaration,
  FunctionExpression,
} from "acorn";

/** A route as it is written in code. */
export interface CodeRoute {
  /** "GET", "WS", "ALL" for any. */
  readonly method: string;
  /** "…" stands for what only running the code would tell. */
  readonly path: string;
}

/** What is known of a value without running the code that makes it; null: nothing. */
export type CodeValue =
  | CodeRouter
  | CodeFunction
  | CodeModule
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "list"; readonly items: readonly CodeValue[] }
  /** createRouter, or Elysia. */
  | { readonly kind: "factory" }
  | null;

/** What a module exports, by name. */
export interface CodeModule {
  readonly kind: "module";
  readonly exports: ReadonlyMap<string, CodeValue>;
}

export type FunctionNode =
  | AnonymousFunctionDeclaration
  | ArrowFunctionExpression
  | FunctionDeclaration
  | FunctionExpression;

/** A function, with the variables around it. */
export interface CodeFunction {
  readonly kind: "function";
  readonly node: FunctionNode;
  readonly scope: CodeScope;
  /** What calls have returned, by the texts that they were given. */
  readonly results: Map<string, CodeValue>;
  isCalled: boolean;
}

/** A router that a chain of calls builds. */
export class CodeRouter {
  readonly kind = "router";
  readonly prefix: string;
  readonly routes: CodeRoute[] = [];
  /** Routers that it takes in: groups, and what it uses. */
  readonly children: CodeRouter[] = [];
  /** Whether another takes it in: its routes are then served below that one's prefix. */
  isUsed = false;

  constructor(prefix: string) {
    this.prefix = prefix;
  }

  adopt(child: CodeRouter): void {
    child.isUsed = true;
    if (!this.children.includes(child)) this.children.push(child);
  }
}

/** The variables of a block or of a function. */
export class CodeScope {
  readonly #variables = new Map<string, CodeValue>();
  readonly #outer: CodeScope | null;
  /** What the function around returns, once a `return` was seen. */
  readonly frame: { returned: CodeValue };

  constructor(outer: CodeScope | null, frame: { returned: CodeValue } = { returned: null }) {
    this.#outer = outer;
    this.frame = frame;
  }

  find(name: string): CodeValue {
    const scope = this.#scopeOf(name);
    return scope === null ? null : (scope.#variables.get(name) ?? null);
  }

  declare(name: string, value: CodeValue): void {
    this.#variables.set(name, value);
  }

  /** Sets a variable where it is declared. */
  assign(name: string, value: CodeValue): void {
    (this.#scopeOf(name) ?? this).declare(name, value);
  }

  /** A scope for a block of the same function. */
  enter(): CodeScope {
    return new CodeScope(this, this.frame);
  }

  #scopeOf(name: string): CodeScope | null {
    // oxlint-disable-next-line typescript/no-this-alias -- a walk outwards
    let scope: CodeScope | null = this;
    while (scope !== null && !scope.#variables.has(name)) scope = scope.#outer;
    return scope;
  }
}
