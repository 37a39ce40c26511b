import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import {
  type AnyNode,
  type CallExpression,
  type Class,
  type Function,
  type NewExpression,
  parse,
} from "acorn";

/** What stands for a value that is known only when an error is thrown. */
export const VALUE = "\u00A4";

const SOURCES = join(import.meta.dir, "../../../src");
/** What code that tells of errors has. */
const TELLS = /\bthrow\b|\bfail\(|(?:Error|Failure)\(|message:|\brefuse\(/;
/** What some message can be made of at most, such as of three choices of four each. */
const MAX_SHAPES = 64;
const MAX_DEPTH = 8;
/** Of a mistake in a program, which clients get another message of. */
const OTHER_ERRORS = new Set(["ApiProblem", "ConstraintError", "TemplateError"]);

interface Source {
  readonly path: string;
  /** What is declared at its top level, by name. */
  readonly declared: ReadonlyMap<string, AnyNode>;
  /** Where the names come from that it imports. */
  readonly imported: ReadonlyMap<string, { readonly path: string; readonly name: string }>;
  readonly parents: ReadonlyMap<AnyNode, AnyNode>;
  readonly nodes: readonly AnyNode[];
}

interface Place {
  readonly source: Source;
  readonly depth: number;
  /** Of a constructor, the one call that is meant. */
  readonly made?: { readonly by: AnyNode; readonly source: Source; readonly call: NewExpression };
}

/**
 * The messages of errors in the code: what a `fail()`, an `AppError` and a problem of an input may say, with `VALUE` for
 * what isn't known before. Functions that are handed a message, or a part of one, are followed to who calls them.
 */
export class Messages {
  readonly #sources = new Map<string, Source>();
  /** Calls by the name of what is called. */
  readonly #calls = new Map<
    string,
    { readonly source: Source; readonly call: CallExpression | NewExpression }[]
  >();
  readonly #transpiler = new Bun.Transpiler({ loader: "ts" });

  /** Reads the sources, but for what is none of errors: that is read where it is a part of one. */
  constructor(folders: string) {
    for (const path of new Bun.Glob(`${folders}/**/*.ts`).scanSync(SOURCES)) {
      const code = readFileSync(join(SOURCES, path), "utf8");
      if (TELLS.test(code)) this.#add(path, code);
    }
  }

  /** Returns what errors say, with the files that say it. @param isShown whether what a file says is looked for */
  find(isShown: (path: string) => boolean): Map<string, string> {
    const found = new Map<string, string>();
    for (const source of this.#sources.values()) {
      if (!isShown(source.path)) continue;
      for (const node of source.nodes) {
        for (const shape of this.#said(node, source)) found.set(shape, source.path);
      }
    }
    return found;
  }

  #said(node: AnyNode, source: Source): string[] {
    if (node.type === "NewExpression") return this.#saidByClass(node, source);
    const message = toMessage(node);
    return message === null ? [] : this.#shapesOf(message, { source, depth: 0 });
  }

  /** What an error says by its class, which hands a message on, or makes it. */
  #saidByClass(call: NewExpression, source: Source): string[] {
    const name = nameOf(call.callee) ?? "";
    if (!/(?:Failure|Error)$/.test(name) || OTHER_ERRORS.has(name)) return [];
    const made = this.#classNamed(name, source);
    if (made === null) return [];
    const builder = builderOf(made.node);
    const index = builder === null ? 0 : (findParameter(builder, "message")?.index ?? null);
    if (builder === null || index !== null)
      return this.#shapesOf(call.arguments[index ?? 0], { source, depth: 0 });
    const message = toHandedOn(made.node)?.arguments[this.#messageIndex(made.node, made.source)] as AnyNode;
    return this.#shapesOf(message, { source: made.source, depth: 0, made: { by: builder, source, call } });
  }

  /** Which argument of what a class extends is the message: the first of an `Error`. */
  #messageIndex({ superClass }: Class, source: Source): number {
    const parent = superClass?.type === "Identifier" ? this.#classNamed(superClass.name, source) : null;
    const builder = parent && builderOf(parent.node);
    return builder ? (findParameter(builder, "message")?.index ?? 0) : 0;
  }

  #classNamed(name: string, source: Source): { readonly node: Class; readonly source: Source } | null {
    const from = source.imported.get(name);
    const owner = from === undefined ? source : this.#sourceOf(from.path);
    const node = owner?.declared.get(from?.name ?? name);
    return owner !== undefined && node?.type === "ClassDeclaration" ? { node, source: owner } : null;
  }

  #sourceOf(path: string): Source | undefined {
    const source = this.#sources.get(path);
    if (source !== undefined || !existsSync(join(SOURCES, path))) return source;
    return this.#add(path, readFileSync(join(SOURCES, path), "utf8"));
  }

  #add(path: string, code: string): Source {
    const plain = this.#transpiler.transformSync(code.replaceAll(' with { type: "macro" }', ""));
    const program = parse(plain, { ecmaVersion: "latest", sourceType: "module" });
    const declared = new Map<string, AnyNode>();
    const imported = new Map<string, { path: string; name: string }>();
    const parents = new Map<AnyNode, AnyNode>();
    const nodes: AnyNode[] = [];
    walk(program, null, (node, parent) => {
      nodes.push(node);
      if (parent !== null) parents.set(node, parent);
      if (
        node.type === "ImportSpecifier" &&
        parent?.type === "ImportDeclaration" &&
        "name" in node.imported
      ) {
        const from = String(parent.source.value);
        if (from.startsWith("."))
          imported.set(node.local.name, { path: join(dirname(path), from), name: node.imported.name });
      }
    });
    for (const top of program.body) {
      const node = top.type === "ExportNamedDeclaration" ? top.declaration : top;
      if (node?.type === "FunctionDeclaration" || node?.type === "ClassDeclaration")
        declared.set(node.id.name, node);
      if (node?.type !== "VariableDeclaration") continue;
      for (const one of node.declarations)
        if (one.id.type === "Identifier" && one.init) declared.set(one.id.name, one.init);
    }
    const source = { path, declared, imported, parents, nodes };
    this.#sources.set(path, source);
    for (const node of nodes) {
      if (node.type !== "CallExpression" && node.type !== "NewExpression") continue;
      const name = nameOf(node.callee);
      if (name !== null) this.#calls.set(name, [...(this.#calls.get(name) ?? []), { source, call: node }]);
    }
    return source;
  }

  /** All texts that an expression may be. */
  #shapesOf(node: AnyNode | null | undefined, place: Place): string[] {
    if (!node || place.depth > MAX_DEPTH) return [VALUE];
    const inner = { ...place, depth: place.depth + 1 };
    const all = (...nodes: readonly AnyNode[]) => unique(nodes.flatMap((one) => this.#shapesOf(one, inner)));
    switch (node.type) {
      case "Literal":
        return [
          typeof node.value === "string" || typeof node.value === "number"
            ? String(node.value)
            : node.value === null
              ? ""
              : VALUE,
        ];
      case "TemplateLiteral":
        return cross(
          node.quasis.flatMap(({ value }, index) => {
            const expression = node.expressions[index];
            return [
              [value.cooked ?? ""],
              ...(expression === undefined ? [] : [this.#shapesOf(expression, inner)]),
            ];
          }),
        );
      case "BinaryExpression":
        return node.operator === "+"
          ? toSum(this.#shapesOf(node.left, inner), this.#shapesOf(node.right, inner))
          : [VALUE];
      case "ConditionalExpression":
        return all(node.consequent, node.alternate);
      case "LogicalExpression":
        return all(node.left, node.right);
      case "AwaitExpression":
        return all(node.argument);
      case "Identifier":
        return this.#named(node.name, node, inner);
      case "MemberExpression":
        return this.#member(node, inner);
      case "CallExpression":
        return this.#returned(node, inner);
      default:
        return [VALUE];
    }
  }

  /** What a name stands for: a constant of its function or file, or what callers give. */
  #named(name: string, at: AnyNode, place: Place): string[] {
    const { source, depth } = place;
    for (let scope = source.parents.get(at); scope !== undefined; scope = source.parents.get(scope)) {
      if (!isFunction(scope)) continue;
      const given = findParameter(scope, name);
      if (given !== null) return this.#given(scope, given, place);
      const local = findLocal(scope, name);
      if (local !== null) return this.#shapesOf(local, place);
    }
    const declared = source.declared.get(name);
    if (declared !== undefined)
      return isFunction(declared) ? [VALUE] : this.#shapesOf(declared, { source, depth });
    const from = source.imported.get(name);
    const other = from && this.#sourceOf(from.path);
    const node = other?.declared.get(from?.name ?? "");
    return other === undefined || node === undefined || isFunction(node)
      ? [VALUE]
      : this.#shapesOf(node, { source: other, depth });
  }

  /** What is handed to a function for one of its parameters. */
  #given(to: Function, { index, key }: Parameter, { source, depth, made }: Place): string[] {
    const name = nameOfFunction(to, source);
    if (name === null) return [VALUE];
    const isMade = made !== undefined && made.by === (to as AnyNode);
    const all = isMade ? [made] : (this.#calls.get(name) ?? []);
    const calls = all.filter(
      (one) =>
        isMade ||
        one.source === source ||
        [...one.source.imported.values()].some((from) => from.path === source.path && from.name === name),
    );
    const shapes = calls.flatMap(({ source: at, call }) => {
      const argument = call.arguments[index] as AnyNode | undefined;
      if (argument === undefined) return [];
      const value = key === null ? argument : findProperty(argument, key);
      return value === null ? [VALUE] : this.#shapesOf(value, { source: at, depth });
    });
    return shapes.length === 0 ? [VALUE] : unique(shapes);
  }

  /** A member of a table: `REASONS[code]` may be each of them. */
  #member(node: AnyNode & { type: "MemberExpression" }, { source, depth }: Place): string[] {
    if (node.object.type !== "Identifier") return [VALUE];
    const from = source.imported.get(node.object.name);
    const owner = from === undefined ? source : this.#sourceOf(from.path);
    const table = owner?.declared.get(from?.name ?? node.object.name);
    if (owner === undefined || table?.type !== "ObjectExpression") return [VALUE];
    const values = table.properties.flatMap((property) => {
      if (property.type !== "Property") return [];
      const isMeant = node.computed || nameOf(property.key) === nameOf(node.property);
      return isMeant ? this.#shapesOf(property.value, { source: owner, depth }) : [];
    });
    return values.length === 0 ? [VALUE] : unique(values);
  }

  /** What a function returns. */
  #returned({ callee }: CallExpression, { source, depth }: Place): string[] {
    const name = callee.type === "Identifier" ? callee.name : null;
    if (name === null) return [VALUE];
    const from = source.imported.get(name);
    const owner = from === undefined ? source : this.#sourceOf(from.path);
    const called = owner?.declared.get(from?.name ?? name);
    if (owner === undefined || called === undefined || !isFunction(called)) return [VALUE];
    if (called.body.type !== "BlockStatement") return this.#shapesOf(called.body, { source: owner, depth });
    const returned: AnyNode[] = [];
    walk(called.body, null, (node) => {
      if (node.type === "ReturnStatement" && node.argument && functionAround(node, owner) === called)
        returned.push(node.argument);
    });
    const shapes = returned.flatMap((one) => this.#shapesOf(one, { source: owner, depth }));
    return shapes.length === 0 ? [VALUE] : unique(shapes);
  }
}

/** The message of a node that makes an error, or a problem of one. */
function toMessage(node: AnyNode): AnyNode | null {
  if (node.type === "CallExpression") {
    const isFail = node.callee.type === "Identifier" && /^fail(?:[A-Z]\w*)?$/.test(node.callee.name);
    return isFail ? ((node.arguments[1] as AnyNode | undefined) ?? null) : null;
  }
  const isProblem = ["code", "path", "rule"].some((key) => findProperty(node, key) !== null);
  return isProblem ? findProperty(node, "message") : null;
}

/** The constructor of a class. */
function builderOf({ body }: Class): (AnyNode & Function) | null {
  const builder = body.body.find((one) => one.type === "MethodDefinition" && one.kind === "constructor");
  return builder?.type === "MethodDefinition" ? builder.value : null;
}

/** What a class calls of the one that it extends, as it is made. */
function toHandedOn(of: Class): CallExpression | null {
  let found: CallExpression | null = null;
  walk(of.body, null, (node) => {
    if (node.type === "CallExpression" && node.callee.type === "Super") found ??= node;
  });
  return found;
}

interface Parameter {
  readonly index: number;
  /** Of one that is taken out of an object. */
  readonly key: string | null;
}

function findParameter({ params }: Function, name: string): Parameter | null {
  for (const [index, parameter] of params.entries()) {
    const plain = parameter.type === "AssignmentPattern" ? parameter.left : parameter;
    if (plain.type === "Identifier" && plain.name === name) return { index, key: null };
    if (plain.type !== "ObjectPattern") continue;
    for (const property of plain.properties) {
      if (property.type !== "Property") continue;
      const value = property.value.type === "AssignmentPattern" ? property.value.left : property.value;
      if (value.type === "Identifier" && value.name === name) return { index, key: nameOf(property.key) };
    }
  }
  return null;
}

function findLocal(scope: Function, name: string): AnyNode | null {
  let found: AnyNode | null = null;
  walk(scope.body, null, (node) => {
    if (node.type === "VariableDeclarator" && node.id.type === "Identifier" && node.id.name === name)
      found ??= node.init ?? null;
  });
  return found;
}

function findProperty(node: AnyNode, key: string): AnyNode | null {
  if (node.type !== "ObjectExpression") return null;
  for (const property of node.properties) {
    if (property.type === "Property" && nameOf(property.key) === key) return property.value;
  }
  return null;
}

function functionAround(node: AnyNode, { parents }: Source): AnyNode | null {
  let at = parents.get(node);
  while (at !== undefined && !isFunction(at)) at = parents.get(at);
  return at ?? null;
}

function nameOfFunction(node: Function, { parents }: Source): string | null {
  if (node.id) return node.id.name;
  const parent = parents.get(node as AnyNode);
  if (parent?.type === "MethodDefinition") {
    const name = nameOf(parent.key);
    const owner = parents.get(parents.get(parent) as AnyNode);
    return name === "constructor" && owner?.type === "ClassDeclaration" ? (owner.id?.name ?? null) : name;
  }
  if (parent?.type === "VariableDeclarator" && parent.id.type === "Identifier") return parent.id.name;
  return parent?.type === "Property" ? nameOf(parent.key) : null;
}

function nameOf(node: AnyNode): string | null {
  if (node.type === "Identifier" || node.type === "PrivateIdentifier") return node.name;
  if (node.type === "Literal") return String(node.value);
  return node.type === "MemberExpression" ? nameOf(node.property) : null;
}

function isFunction(node: AnyNode): node is AnyNode & Function {
  return /^(?:FunctionDeclaration|FunctionExpression|ArrowFunctionExpression)$/.test(node.type);
}

function cross(parts: readonly (readonly string[])[]): string[] {
  let shapes = [""];
  for (const part of parts)
    shapes = shapes.flatMap((before) => part.map((one) => before + one)).slice(0, MAX_SHAPES);
  return shapes;
}

/** Texts that are put together, or numbers that are added. */
function toSum(left: readonly string[], right: readonly string[]): string[] {
  const isNumber = (shape: string) => shape === VALUE || /^\d+$/.test(shape);
  return [...left, ...right].every(isNumber) ? [VALUE] : cross([left, right]);
}

function unique(shapes: readonly string[]): string[] {
  return [...new Set(shapes)].slice(0, MAX_SHAPES);
}

function walk(
  node: AnyNode,
  parent: AnyNode | null,
  visit: (node: AnyNode, parent: AnyNode | null) => void,
): void {
  visit(node, parent);
  for (const value of Object.values(node) as unknown[]) {
    for (const one of Array.isArray(value) ? (value as unknown[]) : [value]) {
      if (typeof one === "object" && one !== null && "type" in one) walk(one as AnyNode, node, visit);
    }
  }
}
