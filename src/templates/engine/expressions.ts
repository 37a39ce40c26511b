import type { AstNode } from "./syntax.ts";
import { elseOf } from "./tree.ts";
import { Writer } from "./writer.ts";

const LITERALS: ReadonlyMap<string, string> = new Map([
  ["True", "true"],
  ["False", "false"],
  ["None", "null"],
]);
const COMPARISONS: Readonly<Record<string, (left: string, right: string) => string>> = {
  "==": (left, right) => `areEqual(${left}, ${right})`,
  "===": (left, right) => `areEqual(${left}, ${right})`,
  "!=": (left, right) => `!areEqual(${left}, ${right})`,
  "!==": (left, right) => `!areEqual(${left}, ${right})`,
};
const ARITHMETIC: Readonly<Record<string, (left: string, right: string) => string>> = {
  Add: (left, right) => `add(${left}, ${right})`,
  Concat: (left, right) => `join(${left}, ${right})`,
  Sub: (left, right) => `(toNumber(${left}) - toNumber(${right}))`,
  Mul: (left, right) => `(toNumber(${left}) * toNumber(${right}))`,
  Div: (left, right) => `(toNumber(${left}) / toNumber(${right}))`,
  FloorDiv: (left, right) => `Math.floor(toNumber(${left}) / toNumber(${right}))`,
  Mod: (left, right) => `remainder(${left}, ${right})`,
  Pow: (left, right) => `(toNumber(${left}) ** toNumber(${right}))`,
};
/** Known of a loop by counting alone. */
const COUNTED: Readonly<Record<string, (index: string, all: string) => string>> = {
  index: (index) => `(${index} + 1)`,
  index0: (index) => index,
  first: (index) => `(${index} === 0)`,
  last: (index, all) => `(${index} === ${all}.length - 1)`,
  length: (_index, all) => `${all}.length`,
};
/** Known where a macro or a block is written. */
const SPECIAL = new Set(["caller", "super", "self", "loop", "varargs", "kwargs"]);

/** Writes expressions of a template as JavaScript. */
export abstract class ExpressionWriter extends Writer {
  /** Loops around what is written, by what their count and their list are called. */
  protected readonly loops = new Map<string, { readonly index: string; readonly all: string }>();
  /** The block that is written. */
  protected block: string | null = null;

  /** Code of a function that renders a part, for `{% call %}`. */
  protected abstract toCaller(node: AstNode): string;
  /** Code of the markup that a part makes. */
  protected abstract toCapture(node: AstNode): string;

  /** Code of a value. */
  protected toValue(node: AstNode, isLenient = false): string {
    switch (node.typename) {
      case "Literal":
        return this.#toLiteral(node);
      case "Symbol":
        return this.toSymbol(node, isLenient);
      case "Group":
        return node.children.length === 1 ? this.toValue(first(node), isLenient) : this.#toList(node);
      case "Array":
      case "NodeList":
        return this.#toList(node);
      case "Dict":
        return `{${this.#toPairs(node)}}`;
      case "LookupVal":
        return this.toLookup(node);
      case "FunCall":
        return this.#toCall(node);
      case "Filter":
        return this.#toFiltered(node);
      case "InlineIf":
        return this.#toChoice(node);
      case "And":
      case "Or":
        return this.#toEither(node);
      case "Neg":
        return `(-toNumber(${this.toValue(node.target)}))`;
      case "Pos":
        return `toNumber(${this.toValue(node.target)})`;
      case "Capture":
        return this.toCapture(node.body);
      case "Caller":
        return this.toCaller(node);
      default:
        return this.#toComputed(node);
    }
  }

  /** Code of whether a value counts as true. */
  protected toCondition(node: AstNode): string {
    switch (node.typename) {
      case "Not":
        return `!${this.toCondition(node.target)}`;
      case "And":
        return `(${this.toCondition(node.left)} && ${this.toCondition(node.right)})`;
      case "Or":
        return `(${this.toCondition(node.left)} || ${this.toCondition(node.right)})`;
      case "Group":
        if (node.children.length === 1) return this.toCondition(first(node));
        return `isTrue(${this.toValue(node)})`;
      case "In":
      case "Is":
      case "Compare":
        return this.toValue(node);
      default:
        return `isTrue(${this.toValue(node, true)})`;
    }
  }

  /** Code of what a name stands for. */
  protected toSymbol(node: AstNode, isLenient: boolean): string {
    if (/^\d+e\d+$/i.test(String(node.value))) return String(Number(node.value));
    const name = this.nameOf(node);
    const literal = LITERALS.get(name);
    if (literal !== undefined) return literal;
    const local = this.scope?.find(name);
    if (local !== undefined) return local;
    return `c.${isLenient ? "get" : "need"}(${JSON.stringify(name)}, g)`;
  }

  /** Code of a property. */
  protected toLookup({ target, val }: AstNode): string {
    if (val.typename === "Slice") return this.#toSlice(target, val);
    if (val.typename !== "Literal" || typeof val.value === "object")
      return `read(${this.toValue(target)}, ${this.toValue(val)})`;
    if (typeof val.value === "number") return `read(${this.toValue(target)}, ${val.value})`;
    const key = val.value as string;
    const counted = this.#toCounted(target, key);
    return counted ?? `readName(${this.toValue(target)}, ${this.keyOf(key, val)})`;
  }

  /** Code of arguments: those by name come last, as one. */
  protected toArguments({ children }: AstNode): string[] {
    return children.map((arg) =>
      arg.typename === "KeywordArgs" ? `new NamedArguments({${this.#toPairs(arg)}})` : this.toValue(arg),
    );
  }

  #toSlice(target: AstNode, node: AstNode): string {
    const bounds = [node.start, node.stop, node.step].map((one) =>
      one === null ? "null" : this.toValue(one),
    );
    return `(${this.at(node)}, slice(${this.toValue(target)}, ${bounds.join(", ")}))`;
  }

  #toChoice(node: AstNode): string {
    const other = elseOf(node);
    const otherwise = other === null ? '""' : this.toValue(other);
    return `(${this.toCondition(node.cond)} ? ${this.toValue(node.body)} : ${otherwise})`;
  }

  #toCounted(target: AstNode, key: string): string | undefined {
    if (target.typename !== "Symbol" || target.value !== "loop" || !Object.hasOwn(COUNTED, key))
      return undefined;
    const loop = this.loops.get(this.scope?.find("loop") ?? "");
    return loop === undefined ? undefined : COUNTED[key]?.(loop.index, loop.all);
  }

  #toLiteral(node: AstNode): string {
    const { value } = node;
    if (typeof value === "object" && value !== null)
      return this.fail("Cannot use a regular expression in a template: use a filter of your own", node);
    return JSON.stringify(value);
  }

  #toList({ children }: AstNode): string {
    return `[${children.map((child) => this.toValue(child)).join(", ")}]`;
  }

  #toPairs({ children }: AstNode): string {
    const pairs = children.map(({ key, value }) => {
      const name = key.typename === "Symbol" || key.typename === "Literal" ? String(key.value) : null;
      if (name === null) return this.fail("Cannot use this as a key: expected a name or a text", key);
      return `[${this.keyOf(name, key)}]: ${this.toValue(value as AstNode)}`;
    });
    return pairs.join(", ");
  }

  #toCall(node: AstNode): string {
    const { name, args } = node;
    const at = this.at(node);
    const isSymbol = name.typename === "Symbol";
    if (isSymbol && name.value === "super") return this.#toSuper(node);
    const list = `[${this.toArguments(args).join(", ")}]`;
    if (name.typename === "LookupVal") {
      const key =
        name.val.typename === "Literal"
          ? this.keyOf(String(name.val.value), name.val)
          : this.toValue(name.val);
      if (name.target.typename === "Symbol" && name.target.value === "self")
        return `new SafeString(c.block(${key}))`;
      return `(${at}, callMember(${this.toValue(name.target)}, ${key}, ${list}))`;
    }
    if (isSymbol) this.#assertFunction(name);
    const shown = isSymbol ? String(name.value) : "the value";
    return `(${at}, call(${this.toValue(name, true)}, ${JSON.stringify(shown)}, ${list}))`;
  }

  #toSuper(node: AstNode): string {
    if (this.block === null) this.fail("Cannot use super(): it is known inside of a block alone", node);
    return `(${this.at(node)}, new SafeString(c.block(${JSON.stringify(this.block)}, level + 1)))`;
  }

  /** A name that is called has to be known when the template is loaded: data is shown, not run. */
  #assertFunction(node: AstNode): void {
    const name = this.nameOf(node);
    const isKnown =
      this.scope?.find(name) !== undefined ||
      SPECIAL.has(name) ||
      this.isDefined(name) ||
      this.vocabulary.isGlobal(name);
    if (isKnown) return;
    const hint = this.vocabulary.suggest("function", name);
    this.fail(
      `There is no function "${name}"${hint}: import its macro, or add it with templates.global()`,
      node,
    );
  }

  /** Whether the template defines a name at its top. */
  protected abstract isDefined(name: string): boolean;

  #toFiltered(node: AstNode): string {
    const name = String(node.name.value);
    const filter = this.vocabulary.findFilter(name);
    if (filter === undefined)
      return this.fail(`There is no filter "${name}"${this.vocabulary.suggest("filter", name)}`, node);
    const [value, ...rest] = node.args.children;
    if (value === undefined) return this.fail(`The filter "${name}" has no value`, node);
    const isLenient = name === "default" || name === "d";
    const args =
      filter.parameters === null
        ? this.toArguments({ ...node.args, children: rest })
        : this.#inOrder(rest, filter.parameters, `The filter "${name}"`);
    if (filter.isByLocale === true) {
      for (let index = args.length; index < (filter.parameters?.length ?? 0); index += 1)
        args.push("undefined");
      args.push('c.state.request("locale")');
    }
    return `(${this.at(node)}, f[${JSON.stringify(name)}](${[this.toValue(value, isLenient), ...args].join(", ")}))`;
  }

  /** Puts arguments by name where they stand in order. */
  #inOrder(args: readonly AstNode[], parameters: readonly string[], what: string): string[] {
    const values: string[] = [];
    for (const arg of args) {
      if (arg.typename !== "KeywordArgs") {
        values.push(this.toValue(arg));
        continue;
      }
      for (const { key, value } of arg.children) {
        const index = parameters.indexOf(String(key.value));
        if (index === -1) {
          const known = parameters.length === 0 ? "none" : parameters.join(", ");
          this.fail(`${what} has no parameter "${String(key.value)}": it has ${known}`, key);
        }
        values[index] = this.toValue(value as AstNode);
      }
    }
    const [extra] = args.slice(parameters.length);
    if (extra !== undefined && extra.typename !== "KeywordArgs")
      this.fail(`${what} takes ${parameters.length} arguments at most`, extra);
    return Array.from(values, (value: string | undefined) => value ?? "undefined");
  }

  #toEither({ typename, left, right }: AstNode): string {
    const value = this.variable();
    this.emitTemporary(value);
    const test = `isTrue(${value} = ${this.toValue(left, true)})`;
    const other = this.toValue(right, true);
    return typename === "And" ? `(${test} ? ${other} : ${value})` : `(${test} ? ${value} : ${other})`;
  }

  /** Declares a variable of the function that is written. */
  protected abstract emitTemporary(variable: string): void;

  #toComputed(node: AstNode): string {
    const arithmetic = ARITHMETIC[node.typename];
    if (arithmetic !== undefined) return arithmetic(this.toValue(node.left), this.toValue(node.right));
    if (node.typename === "Not") return this.toCondition(node);
    if (node.typename === "In") return `isIn(${this.toValue(node.left)}, ${this.toValue(node.right)})`;
    if (node.typename === "Is") return this.#toTest(node);
    if (node.typename === "Compare") return this.#toComparison(node);
    return this.fail(`Cannot use ${node.typename} in an expression`, node);
  }

  #toTest({ left, right }: AstNode): string {
    const isCall = right.typename === "FunCall";
    const name = String((isCall ? right.name : right).value);
    if (!this.vocabulary.hasTest(name))
      return this.fail(`There is no test "${name}"${this.vocabulary.suggest("test", name)}`, right);
    const args = isCall ? this.toArguments(right.args) : [];
    return `(t[${JSON.stringify(name)}](${[this.toValue(left, true), ...args].join(", ")}) === true)`;
  }

  #toComparison({ expr, ops }: AstNode): string {
    let left = this.toValue(expr);
    const parts = ops.map(({ type, expr: operand }, index) => {
      const right = this.toValue(operand);
      let shown = right;
      if (index < ops.length - 1) {
        const kept = this.variable();
        this.emitTemporary(kept);
        shown = `(${kept} = ${right})`;
        const part = toComparison(left, type, shown);
        left = kept;
        return part;
      }
      return toComparison(left, type, shown);
    });
    return parts.length === 1 ? (parts[0] ?? "") : `(${parts.join(" && ")})`;
  }
}

function toComparison(left: string, operator: string, right: string): string {
  return COMPARISONS[operator]?.(left, right) ?? `compare(${left}, ${JSON.stringify(operator)}, ${right})`;
}

function first({ children: [child] }: AstNode): AstNode {
  return child as AstNode;
}
