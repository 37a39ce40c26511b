import type {
  AnyNode,
  CallExpression,
  Expression,
  MemberExpression,
  NewExpression,
  Program,
  SpreadElement,
  Statement,
  ModuleDeclaration,
} from "acorn";
import { childrenOf, declarationOf, namesOf } from "./nodes.ts";
import {
  type CodeFunction,
  type CodeModule,
  CodeRouter,
  CodeScope,
  type CodeValue,
  type FunctionNode,
} from "./values.ts";

/** Stands for a part of a path that only running the code would tell. */
const UNKNOWN = "…";
const METHODS = new Set(["get", "post", "put", "patch", "delete", "options", "head", "all", "ws", "connect"]);
const ENDS = new Set(["handle", "fetch", "listen", "stop", "compile"]);
const MAX_STEPS = 1_000_000; // nodes looked at: hostile code could make it take forever
const MAX_CALLS = 50; // within each other, and remembered of one function

/** Thrown to stop reading code that takes too long. */
class OutOfSteps extends Error {}

/** Returns what a module exports that another imports; null for one that isn't there. */
export type ImportModule = (specifier: string) => CodeModule["exports"] | null;

/** Name under which a module's scope holds its default export. */
export const DEFAULT = "*default*";

/**
 * Follows code without running it, as far as it takes to know which routers it builds: chains of calls that begin
 * with createRouter() or new Elysia(), variables and parameters that hold them, imports.
 */
export class CodeEvaluator {
  /** Every router that was seen. */
  readonly routers: CodeRouter[] = [];
  readonly #functions: CodeFunction[] = [];
  #importModule: ImportModule = () => null;
  #steps = 0;
  #depth = 0;

  /**
   * Reads a module.
   *
   * @param scope holds what it imports; gets what it declares
   * @returns whether all of it could be read
   */
  readModule({ body }: Program, scope: CodeScope, importModule: ImportModule): boolean {
    const before = this.#importModule;
    this.#importModule = importModule;
    const isRead = this.#attempt(() => this.#runAll(body, scope));
    this.#importModule = before;
    return isRead;
  }

  /** Reads the functions that nothing calls; returns whether all of them could be read. */
  readUncalled(): boolean {
    return this.#attempt(() => {
      // Reading one may find more.
      for (const found of this.#functions) {
        if (!found.isCalled) this.#call(found, []);
      }
    });
  }

  /** Hostile code may be nested so deep that the stack ends. */
  #attempt(read: () => void): boolean {
    try {
      read();
      return true;
    } catch (error) {
      if (error instanceof OutOfSteps || error instanceof RangeError) return false;
      throw error;
    }
  }

  #runAll(statements: readonly (Statement | ModuleDeclaration)[], scope: CodeScope): void {
    for (const statement of statements) {
      const declaration = declarationOf(statement);
      // A function can be used above the line that declares it.
      if (declaration?.type === "FunctionDeclaration" && declaration.id) {
        scope.declare(declaration.id.name, this.#toFunction(declaration, scope));
      }
    }
    for (const statement of statements) this.#evaluate(statement, scope);
  }

  #evaluate(node: AnyNode, scope: CodeScope): CodeValue {
    if (++this.#steps > MAX_STEPS) throw new OutOfSteps();
    switch (node.type) {
      case "Identifier":
        return scope.find(node.name);
      case "Literal":
        return typeof node.value === "string" ? { kind: "text", text: node.value } : null;
      case "TemplateLiteral": {
        const parts = node.expressions.map((expression) => this.#toText(expression, scope));
        const text = node.quasis.map(({ value }, index) => (value.cooked ?? "") + (parts[index] ?? ""));
        return { kind: "text", text: text.join("") };
      }
      case "BinaryExpression": {
        const [left, right] = [this.#evaluate(node.left, scope), this.#evaluate(node.right, scope)];
        const isText = node.operator === "+" && (left?.kind === "text" || right?.kind === "text");
        return isText ? { kind: "text", text: textOf(left) + textOf(right) } : null;
      }
      case "CallExpression":
      case "NewExpression":
      case "MemberExpression":
        return this.#evaluateChain(node, scope);
      case "ArrowFunctionExpression":
      case "FunctionExpression":
        return this.#toFunction(node, scope);
      case "FunctionDeclaration":
        return node.id === null ? this.#toFunction(node, scope) : scope.find(node.id.name);
      case "BlockStatement":
        this.#runAll(node.body, scope.enter());
        return null;
      case "VariableDeclaration":
        for (const { id, init } of node.declarations) {
          const value = init ? this.#evaluate(init, scope) : null;
          if (id.type === "Identifier") scope.declare(id.name, value);
          else for (const name of namesOf(id)) scope.declare(name, null);
        }
        return null;
      case "AssignmentExpression": {
        const value = this.#evaluate(node.right, scope);
        if (node.left.type === "Identifier") scope.assign(node.left.name, value);
        return value;
      }
      case "ReturnStatement":
        if (node.argument)
          scope.frame.returned = this.#evaluate(node.argument, scope) ?? scope.frame.returned;
        return null;
      default:
        return this.#evaluateOther(node, scope);
    }
  }

  #evaluateOther(node: AnyNode, scope: CodeScope): CodeValue {
    switch (node.type) {
      case "AwaitExpression":
      case "UnaryExpression":
        return this.#evaluate(node.argument, scope);
      case "ChainExpression":
        return this.#evaluate(node.expression, scope);
      case "ExportDefaultDeclaration":
        scope.declare(DEFAULT, this.#evaluate(node.declaration, scope));
        return null;
      case "ExportNamedDeclaration":
        return node.declaration ? this.#evaluate(node.declaration, scope) : null;
      case "ArrayExpression": {
        const items = node.elements.map((item) => (item === null ? null : this.#evaluate(item, scope)));
        return { kind: "list", items };
      }
      case "ImportExpression": {
        const specifier = this.#evaluate(node.source, scope);
        const exports = specifier?.kind === "text" ? this.#importModule(specifier.text) : null;
        return exports === null ? null : { kind: "module", exports };
      }
      case "ConditionalExpression":
      case "LogicalExpression": {
        const parts =
          node.type === "LogicalExpression" ? [node.left, node.right] : [node.consequent, node.alternate];
        const values = parts.map((part) => this.#evaluate(part, scope));
        return values.find((value) => value !== null) ?? null;
      }
      case "SequenceExpression":
        return node.expressions.map((part) => this.#evaluate(part, scope)).at(-1) ?? null;
      case "ImportDeclaration":
        return null;
      default:
        for (const child of childrenOf(node)) this.#evaluate(child, scope);
        return null;
    }
  }

  /** Evaluates `a.b(…).c(…)`, however long it is, without calling itself for each link. */
  #evaluateChain(node: CallExpression | NewExpression | MemberExpression, scope: CodeScope): CodeValue {
    const links: (CallExpression | NewExpression | MemberExpression)[] = [];
    let base: AnyNode = node;
    for (;;) {
      if (base.type === "ChainExpression") {
        base = base.expression;
        continue;
      }
      if (base.type !== "CallExpression" && base.type !== "NewExpression" && base.type !== "MemberExpression")
        break;
      links.push(base);
      base = base.type === "MemberExpression" ? base.object : base.callee;
    }
    let value = this.#evaluate(base, scope);
    let owner: CodeValue = null;
    let name: string | null = null;
    for (const link of links.toReversed()) {
      if (link.type === "MemberExpression") {
        [owner, name] = [value, this.#nameOf(link, scope)];
        value = owner?.kind === "module" ? (owner.exports.get(name ?? "") ?? null) : null;
        continue;
      }
      value =
        owner?.kind === "router" && name !== null
          ? this.#callMethod(owner, name, link.arguments, scope)
          : this.#callValue(value, link.arguments, scope);
      [owner, name] = [null, null];
    }
    return value;
  }

  #callValue(callee: CodeValue, nodes: readonly (Expression | SpreadElement)[], scope: CodeScope): CodeValue {
    if (callee?.kind === "factory") {
      const [options, ...others] = nodes;
      for (const other of others) this.#evaluate(other, scope);
      return this.#createRouter(options === undefined ? "" : this.#prefixOf(options, scope));
    }
    const values = nodes.map((argument) => this.#evaluate(argument, scope));
    return callee?.kind === "function" ? this.#call(callee, values) : null;
  }

  #callMethod(
    router: CodeRouter,
    name: string,
    nodes: readonly (Expression | SpreadElement)[],
    scope: CodeScope,
  ): CodeValue {
    const values = nodes.map((argument) => this.#evaluate(argument, scope));
    const [first = null, second = null] = values;
    const last = values.at(-1) ?? null;
    if (METHODS.has(name)) router.routes.push({ method: name.toUpperCase(), path: textOf(first) });
    else if (name === "route")
      router.routes.push({ method: textOf(first).toUpperCase(), path: textOf(second) });
    else if (name === "mount") {
      const below = nodes.length > 1 ? textOf(first) : "";
      router.routes.push({ method: "ALL", path: `${below.replace(/\/$/, "")}/*` });
    } else if (name === "group") {
      const group = this.#createRouter(textOf(first));
      router.adopt(group);
      if (last?.kind === "function") this.#call(last, [group]);
    } else if (name === "guard" || name === "use") {
      for (const value of values) this.#use(router, value);
    }
    return ENDS.has(name) ? null : router;
  }

  #use(router: CodeRouter, value: CodeValue): void {
    const used = value?.kind === "module" ? (value.exports.get("default") ?? null) : value;
    if (used?.kind === "list") for (const item of used.items) this.#use(router, item);
    else if (used?.kind === "function") this.#use(router, this.#call(used, [router]));
    else if (used?.kind === "router" && used !== router) router.adopt(used);
  }

  #createRouter(prefix: string): CodeRouter {
    const router = new CodeRouter(prefix);
    this.routers.push(router);
    return router;
  }

  #toFunction(node: FunctionNode, scope: CodeScope): CodeFunction {
    const made: CodeFunction = { kind: "function", node, scope, results: new Map(), isCalled: false };
    this.#functions.push(made);
    return made;
  }

  #call(callee: CodeFunction, values: readonly CodeValue[]): CodeValue {
    callee.isCalled = true;
    const hasRouter = values.some((value) => value?.kind === "router");
    const key = JSON.stringify(values.map((value) => (value?.kind === "text" ? value.text : null)));
    const known = hasRouter ? undefined : callee.results.get(key);
    if (known !== undefined) return known;
    if (this.#depth >= MAX_CALLS || callee.results.size >= MAX_CALLS) return null;
    callee.results.set(key, null); // for one that calls itself
    const { node } = callee;
    const scope = new CodeScope(callee.scope);
    for (const [index, parameter] of node.params.entries()) {
      const target = parameter.type === "AssignmentPattern" ? parameter.left : parameter;
      if (target.type === "Identifier") scope.declare(target.name, values[index] ?? null);
      else for (const name of namesOf(target)) scope.declare(name, null);
    }
    this.#depth += 1;
    try {
      const { body } = node;
      if (body.type !== "BlockStatement") scope.frame.returned = this.#evaluate(body, scope);
      else this.#runAll(body.body, scope);
    } finally {
      this.#depth -= 1;
    }
    callee.results.set(key, scope.frame.returned);
    return scope.frame.returned;
  }

  #nameOf({ property, computed }: MemberExpression, scope: CodeScope): string | null {
    if (!computed) return property.type === "Identifier" ? property.name : null;
    const value = this.#evaluate(property, scope);
    return value?.kind === "text" ? value.text : null;
  }

  /** The prefix among the options of a router. */
  #prefixOf(options: Expression | SpreadElement, scope: CodeScope): string {
    let prefix = "";
    if (options.type !== "ObjectExpression") this.#evaluate(options, scope);
    else {
      for (const property of options.properties) {
        if (property.type === "SpreadElement") continue;
        const value = this.#evaluate(property.value, scope);
        if (property.key.type === "Identifier" && property.key.name === "prefix") prefix = textOf(value);
      }
    }
    return prefix;
  }

  #toText(node: Expression, scope: CodeScope): string {
    return textOf(this.#evaluate(node, scope));
  }
}

function textOf(value: CodeValue): string {
  return value?.kind === "text" ? value.text : UNKNOWN;
}
