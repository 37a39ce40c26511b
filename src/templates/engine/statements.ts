import { ExpressionWriter } from "./expressions.ts";
import type { AstNode } from "./syntax.ts";
import { contains, elseOf, findExports, toShown } from "./tree.ts";
import type { Parameter, Scope } from "./writer.ts";

/** What nunjucks has beside Jinja2 and nothing here needs. */
const REFUSED: Readonly<Record<string, string>> = {
  AsyncEach: "asyncEach: write {% for %}",
  AsyncAll: "asyncAll: write {% for %}",
  IfAsync: "ifAsync: write {% if %}",
  Switch: "switch: write {% if %} with {% elif %}",
};

/** Writes a template as JavaScript. */
export class TemplateWriter extends ExpressionWriter {
  /** What the template takes as a component; null where it doesn't say. */
  parameters: Parameter[] | null = null;
  /** Names that the top of the template defines, which others may import. */
  readonly exports = new Set<string>();
  readonly #blocks = new Map<string, string>();
  #temporaries: string[] = [];
  #extends = false;
  #isTop = true;

  /** Returns the body of a function that makes the template's functions. */
  write(root: AstNode): string {
    for (const name of findExports(root)) this.exports.add(name);
    this.#extends = contains(root, "Extends");
    const rendered = this.#toFunction("c", () => {
      this.emit("let parent = null;");
      this.#writeAll(root);
      this.emit("if (parent !== null) return parent.run(c);");
    });
    const blocks = [...this.#blocks].map(([name, code]) => `[${JSON.stringify(name)}, ${code}]`);
    return `return { root: ${rendered}, blocks: [${blocks.join(",\n")}] };`;
  }

  protected override isDefined(name: string): boolean {
    return this.exports.has(name);
  }

  protected override emitTemporary(variable: string): void {
    this.#temporaries.push(variable);
  }

  protected override toCapture(node: AstNode): string {
    const lines = this.#nested(() => this.#writeAll(node));
    return `(() => { let out = ""; ${lines.join("\n")} return toMarkup(out); })()`;
  }

  protected override toCaller(node: AstNode): string {
    return this.#toMacro("caller", node);
  }

  /** A function of its own, with a place of its own for what fails in it. */
  #toFunction(parameters: string, write: () => void): string {
    const { lines } = this;
    const temporaries = this.#temporaries;
    this.lines = [];
    this.#temporaries = [];
    write();
    const declared = this.#temporaries.map((name) => `, ${name}`).join("");
    const body = this.lines.join("\n");
    this.lines = lines;
    this.#temporaries = temporaries;
    return `(${parameters}) => { const st = c.state; let p = 0, out = ""${declared}; try { ${body}
return out; } catch (error) { throw located(error, template, p); } }`;
  }

  /** Lines of a part whose names are its own. */
  #nested(write: (scope: Scope) => void): string[] {
    const isTop = this.#isTop;
    this.#isTop = false;
    const lines = this.inScope(write);
    this.#isTop = isTop;
    return lines;
  }

  #writeAll(node: AstNode): void {
    for (const child of node.children) this.#write(child);
  }

  #write(node: AstNode): void {
    const refused = REFUSED[node.typename];
    if (refused !== undefined) this.fail(`Cannot use ${refused}`, node);
    switch (node.typename) {
      case "NodeList":
        return this.#writeAll(node);
      case "Output":
        return this.#writeShown(() => this.#writeOutput(node));
      case "If":
        return this.#writeIf(node);
      case "For":
        return this.#writeFor(node);
      case "Set":
        return this.#writeSet(node);
      case "Block":
        return this.#writeBlock(node);
      case "Extends":
        return this.#writeExtends(node);
      case "Include":
        return this.#writeShown(() => this.#writeInclude(node));
      case "Import":
      case "FromImport":
        return this.#writeImport(node);
      case "Macro":
        return this.#define(this.nameOf(node.name), this.#toMacro(this.nameOf(node.name), node));
      case "CallExtension":
        return this.#writeTag(node);
      default:
        return this.fail(`Cannot use ${node.typename} here`, node);
    }
  }

  /** What stands beside the blocks of a template that extends another isn't shown. */
  #writeShown(write: () => void): void {
    if (!this.#extends || !this.#isTop) return write();
    this.emit("if (parent === null) {");
    write();
    this.emit("}");
  }

  #writeOutput({ children }: AstNode): void {
    for (const child of children) {
      if (child.typename === "TemplateData") {
        if (child.value !== "") this.emit(`out += ${JSON.stringify(child.value)};`);
        continue;
      }
      this.emit(`${this.at(child)}; out += show(${this.#toChecked(child)});`);
    }
  }

  /** Code of a value that has to be there. */
  #toChecked(node: AstNode): string {
    const value = this.toValue(node);
    const mayMiss = node.typename === "LookupVal" || (node.typename === "Symbol" && /^v\d/.test(value));
    return mayMiss ? `defined(${value}, st, ${JSON.stringify(toShown(node))})` : value;
  }

  #writeIf(node: AstNode): void {
    const { cond, body } = node;
    const other = elseOf(node);
    this.emit(`${this.at(cond)}; if (${this.toCondition(cond)}) {`);
    this.#writeAll(body);
    this.emit("}");
    if (other === null) return;
    this.emit("else {");
    if (other.typename === "If") this.#writeIf(other);
    else this.#writeAll(other);
    this.emit("}");
  }

  #writeFor(node: AstNode): void {
    const { name, arr, body } = node;
    const other = elseOf(node);
    const names = name.typename === "Array" ? name.children : [name];
    const [all, index, item] = [this.variable(), this.variable(), this.variable()];
    // What nunjucks takes for `a if b` is Jinja2's `for x in a if b`.
    const hasFilter = arr.typename === "InlineIf" && elseOf(arr) === null;
    const values = this.#toChecked(hasFilter ? arr.body : arr);
    this.emit(`${this.at(node)}; let ${all} = iterate(${values}, ${names.length > 1});`);
    if (hasFilter) {
      const test = this.#nested((scope) => {
        this.#bindItem(scope, names, item);
        this.emit(`return ${this.toCondition(arr.cond)};`);
      });
      this.emit(`${all} = ${all}.filter((${item}) => { ${test.join("\n")} });`);
    }
    const outer = this.scope?.find("loop") ?? "null";
    const loop = this.variable();
    const lines = this.#nested((scope) => {
      scope.set("loop", loop);
      this.loops.set(loop, { index, all });
      this.#bindItem(scope, names, item);
      this.#writeAll(body);
    });
    const isUsed = lines.some((line) => new RegExp(`\\b${loop}\\b`).test(line));
    if (isUsed) this.emit(`const ${loop} = new Loop(${all}, ${outer});`);
    this.emit(`for (let ${index} = 0; ${index} < ${all}.length; ${index}++) {`);
    this.emit(`if (isDue(--st.left) || out.length > MAX_TEXT) assertBounded(out, st);`);
    this.emit(`const ${item} = ${all}[${index}];${isUsed ? ` ${loop}.index0 = ${index};` : ""}`);
    this.lines.push(...lines, "}");
    if (other === null) return;
    this.emit(`if (${all}.length === 0) {`);
    this.#writeAll(other);
    this.emit("}");
  }

  #bindItem(scope: Scope, names: readonly AstNode[], item: string): void {
    const [first] = names;
    if (names.length === 1 && first !== undefined) return scope.set(this.nameOf(first), item);
    for (const [index, name] of names.entries()) {
      const variable = this.variable();
      scope.declared.push(`const ${variable} = readName(${item}, ${index});`);
      scope.set(this.nameOf(name), variable);
    }
  }

  #writeSet(node: AstNode): void {
    const { targets, lineno, colno } = node;
    const value = node.value === null ? this.toValue(node.body) : this.toValue(node.value as AstNode);
    this.emit(`${this.at({ lineno, colno })};`);
    const [first] = targets;
    if (targets.length === 1 && first !== undefined) return this.#assign(first, value);
    const values = this.variable();
    this.emit(`const ${values} = iterate(${value}, false);`);
    for (const [index, target] of targets.entries()) this.#assign(target, `${values}[${index}]`);
  }

  #assign(target: AstNode, value: string): void {
    if (target.typename !== "LookupVal") return this.#define(this.nameOf(target), value);
    if (target.val.typename !== "Literal") this.fail("Cannot set this: expected a name", target);
    const key = this.keyOf(String(target.val.value), target.val);
    this.emit(`setIn(${this.toValue(target.target)}, ${key}, ${value});`);
  }

  /** Gives a name a value: to the page at the top of a template, else to the part that is written. */
  #define(name: string, value: string): void {
    if (this.scope === null) return this.emit(`c.set(${JSON.stringify(name)}, ${value});`);
    const known = this.scope.own(name);
    if (known !== undefined) return this.emit(`${known} = ${value};`);
    const variable = this.variable();
    const before = this.scope.parent?.find(name) ?? `c.get(${JSON.stringify(name)}, g)`;
    this.scope.declared.push(`let ${variable} = ${before};`);
    this.scope.set(name, variable);
    this.emit(`${variable} = ${value};`);
  }

  #writeBlock(node: AstNode): void {
    const name = this.nameOf(node.name);
    if (this.#blocks.has(name)) this.fail(`There is a block "${name}" already`, node);
    this.#blocks.set(name, "");
    this.#writeShown(() => this.emit(`${this.at(node)}; out += c.block(${JSON.stringify(name)});`));
    const { scope, block } = this;
    const isTop = this.#isTop;
    Object.assign(this, { scope: null, block: name });
    this.#isTop = false;
    const code = this.#toFunction("c, level", () => {
      const lines = this.inScope(() => this.#writeAll(node.body));
      this.lines.push(...lines);
    });
    Object.assign(this, { scope, block });
    this.#isTop = isTop;
    this.#blocks.set(name, code);
  }

  #writeExtends(node: AstNode): void {
    if (!this.#isTop) this.fail("Cannot use extends here: it stands at the top of a template", node);
    this.#refer("extends", node);
    this.emit(`${this.at(node)}; parent = template.find(${this.toValue(node.template)});`);
  }

  #writeInclude(node: AstNode): void {
    const mayMiss = node.ignoreMissing === true;
    this.#refer("include", node, { mayMiss });
    const known = this.scope?.all() ?? new Map<string, string>();
    const locals = [...known].map(([name, variable]) => `${JSON.stringify(name)}: ${variable}`);
    const found = this.variable();
    this.emit(
      `${this.at(node)}; const ${found} = template.find(${this.toValue(node.template)}, ${mayMiss});`,
    );
    this.emit(`if (${found} !== null) out += c.include(${found}, {${locals.join(", ")}});`);
  }

  #writeImport(node: AstNode): void {
    const { typename, template, withContext } = node;
    const names = typename === "FromImport" ? node.names.children : [];
    const pairs = names.map((one) =>
      one.typename === "Pair"
        ? { from: this.nameOf(one.key), to: this.nameOf(one.value as AstNode) }
        : { from: this.nameOf(one), to: this.nameOf(one) },
    );
    this.#refer("import", node, { uses: pairs.map(({ from }) => from) });
    const found = this.variable();
    this.emit(
      `${this.at(node)}; const ${found} = c.module(template.find(${this.toValue(template)}), ${withContext === true});`,
    );
    if (typename === "Import") return this.#define(this.nameOf(node.target), found);
    for (const { from, to } of pairs) this.#define(to, `${found}[${JSON.stringify(from)}]`);
  }

  #toMacro(name: string, { args, body }: AstNode): string {
    const parameters = args.children.flatMap((arg): { key: AstNode; fallback: AstNode | null }[] =>
      arg.typename === "KeywordArgs" || arg.typename === "Dict"
        ? arg.children.map(({ key, value }) => ({ key, fallback: value as AstNode }))
        : [{ key: arg, fallback: null }],
    );
    const names = parameters.map(({ key }) => this.nameOf(key));
    const takesMore = contains(body, "Symbol", (value) => value === "varargs" || value === "kwargs");
    const { scope, block } = this;
    // A macro knows what stands at the top of its template, and nothing around it; the body of a call knows both.
    Object.assign(this, { block: null, ...(name === "caller" ? {} : { scope: null }) });
    const code = this.#toFunction("values, more, named", () => {
      const lines = this.#nested((inner) => {
        for (const [special, variable] of [
          ["varargs", "more"],
          ["kwargs", "named"],
          ["caller", "named.caller"],
        ] as const)
          if (special !== "caller" || name !== "caller") inner.set(special, variable);
        for (const [index, { fallback }] of parameters.entries()) {
          const variable = this.variable();
          const given = `values[${index}]`;
          this.emit(
            `let ${variable} = ${fallback === null ? given : `${given} === undefined ? ${this.toValue(fallback)} : ${given}`};`,
          );
          inner.set(names[index] ?? "", variable);
        }
        this.#writeAll(body);
      });
      this.lines.push(...lines);
    });
    Object.assign(this, { scope, block });
    return `createMacro(c, ${JSON.stringify({ name, parameters: names, takesMore })}, ${code})`;
  }

  #writeTag(node: AstNode): void {
    const [first, second] = node.args.children;
    if (node.extName === "do") return this.emit(`${this.at(node)}; ${this.toValue(first as AstNode)};`);
    if (node.extName === "with") return this.#writeWith(first as AstNode, node.contentArgs[0] as AstNode);
    if (node.extName === "props") return this.#writeProps(first as AstNode, node);
    this.#writeShown(() => this.#writeComponent(node, first as AstNode, second as AstNode));
  }

  #writeWith(values: AstNode, body: AstNode): void {
    const bound = values.children.map(
      ({ key, value }) => [this.nameOf(key), this.toValue(value as AstNode)] as const,
    );
    const lines = this.#nested((scope) => {
      for (const [name, value] of bound) {
        const variable = this.variable();
        this.emit(`let ${variable} = ${value};`);
        scope.set(name, variable);
      }
      this.#writeAll(body);
    });
    this.emit(`{ ${lines.join("\n")} }`);
  }

  #writeProps(declared: AstNode, node: AstNode): void {
    if (!this.#isTop || this.parameters !== null)
      this.fail("Cannot use props here: it stands once, at the top of a component", node);
    this.parameters = declared.children.map(({ key, value }) => ({
      name: this.nameOf(key),
      isRequired: value === null,
    }));
    const names = this.parameters.map(({ name }) => name);
    this.emit(`${this.at(node)}; assertGiven(c.vars, ${JSON.stringify(this.parameters)});`);
    for (const [index, { value }] of declared.children.entries()) {
      if (value === null) continue;
      const name = JSON.stringify(names[index]);
      this.emit(`if (c.vars[${name}] === undefined) c.set(${name}, ${this.toValue(value as AstNode)});`);
    }
  }

  #writeComponent(node: AstNode, name: AstNode, values: AstNode): void {
    const [body] = node.contentArgs;
    const given = values.children.map(({ key }) => this.nameOf(key));
    const named = given.includes("content") || body === undefined ? given : [...given, "content"];
    if (name.typename === "Literal" && typeof name.value === "string") {
      this.references.push({
        kind: "component",
        names: [name.value],
        place: { lineno: node.lineno, colno: node.colno },
        mayMiss: false,
        uses: named,
      });
    }
    const pairs = values.children.map(
      ({ key, value }) => `[${this.keyOf(String(key.value), key)}]: ${this.toValue(value as AstNode)}`,
    );
    if (body !== undefined) pairs.unshift(`content: ${this.toCapture(body)}`);
    this.emit(
      `${this.at(node)}; out += c.component(template.findComponent(${this.toValue(name)}), {${pairs.join(", ")}});`,
    );
  }

  #refer(
    kind: "extends" | "include" | "import",
    { template, lineno, colno }: AstNode,
    { mayMiss = false, uses = [] }: { readonly mayMiss?: boolean; readonly uses?: readonly string[] } = {},
  ): void {
    const nodes = template.typename === "Array" ? template.children : [template];
    const names = nodes.map(({ typename, value }) =>
      typename === "Literal" && typeof value === "string" ? value : null,
    );
    if (names.some((name) => name === null)) return; // It is known when it runs.
    this.references.push({ kind, names: names as string[], place: { lineno, colno }, mayMiss, uses });
  }
}
