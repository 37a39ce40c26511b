import type { Template } from "./template.ts";
import { limited, macros, MAX_TEXT, NamedArguments, SafeString } from "./values.ts";

/** How often loops of one page may run in all. */
const MAX_ITERATIONS = 1_000_000;
/** How long a page may take, in ms: nobody else is answered meanwhile. */
const MAX_MS = 10_000;
/** How deep templates, components and macros may stand in each other. */
const MAX_DEPTH = 100;

/** Names and what they stand for. */
export type Names = Readonly<Record<string, unknown>>;

/** What is rendered together shares: how much of it there may be, and what holds for the request. */
export interface RenderState {
  /** How often loops may run still. */
  left: number;
  depth: number;
  /** When it has to be there, in ms of `performance.now`. */
  readonly until: number;
  /** Whether a name that isn't there is an error. */
  readonly isStrict: boolean;
  readonly request: RequestLookup;
}

/** Finds what the request brings by a name: `user`, `csp_nonce`. */
export type RequestLookup = (name: string) => unknown;

/** Renders a block of a template; `level` is how often it was overridden below. */
export type BlockRenderer = (context: Context, level: number) => string;

/** Begins to render. */
export function createState(isStrict: boolean, request: RequestLookup): RenderState {
  return { left: MAX_ITERATIONS, depth: 0, until: performance.now() + MAX_MS, isStrict, request };
}

/** What the names of one template mean while it is rendered. */
export class Context {
  readonly state: RenderState;
  /** What `set`, `import` and `macro` have named. */
  readonly vars: Record<string, unknown>;
  readonly #data: Names;
  readonly #blocks: Map<string, BlockRenderer[]>;

  constructor(state: RenderState, data: Names, vars?: Record<string, unknown>) {
    this.state = state;
    this.#data = data;
    this.vars = vars ?? (Object.create(null) as Record<string, unknown>);
    this.#blocks = new Map();
  }

  /** What a name stands for; `globals` are those of the template that asks. */
  get(name: string, globals: Names): unknown {
    const own = this.vars[name];
    if (own !== undefined) return own;
    if (Object.hasOwn(this.#data, name)) return this.#data[name];
    return globals[name] ?? this.state.request(name);
  }

  /** The same for a name that has to be there. @throws TypeError in development for one that isn't */
  need(name: string, globals: Names): unknown {
    const value = this.get(name, globals);
    if (value === undefined && this.state.isStrict)
      throw new TypeError(
        `"${name}" isn't defined: pass it to render(), or write {{ ${name} | default("") }} where it may be missing`,
      );
    return value;
  }

  set(name: string, value: unknown): void {
    this.vars[name] = value;
  }

  /** Adds the blocks of a template behind those that override them. */
  addBlocks({ blocks }: Template): void {
    for (const [name, render] of blocks) {
      const chain = this.#blocks.get(name);
      if (chain === undefined) this.#blocks.set(name, [render]);
      else chain.push(render);
    }
  }

  block(name: string, level = 0): string {
    this.#count();
    const render = this.#blocks.get(name)?.[level];
    if (render === undefined)
      throw new TypeError(
        level === 0
          ? `There is no block "${name}"`
          : `Cannot use super(): no template above has a block "${name}"`,
      );
    return render(this, level);
  }

  /** Renders a template that stands in this one and knows its names. */
  include(template: Template, locals: Names): string {
    const vars = Object.assign(Object.create(null) as Record<string, unknown>, this.vars, locals);
    return this.#nest(template, new Context(this.state, this.#data, vars));
  }

  /** Renders a component, which knows what it is given alone. */
  component(template: Template, given: Names): string {
    const vars = Object.assign(Object.create(null) as Record<string, unknown>, given);
    return this.#nest(template, new Context(this.state, {}, vars));
  }

  /** Runs a template for what it defines. */
  module(template: Template, isWithContext: boolean): Names {
    const context = new Context(this.state, isWithContext ? this.#data : {});
    if (isWithContext) Object.assign(context.vars, this.vars);
    this.#nest(template, context);
    return context.vars;
  }

  /** Counts a call of a macro. */
  enter(): void {
    this.#count();
    this.state.depth += 1;
    if (this.state.depth > MAX_DEPTH)
      throw new RangeError(
        `Templates, components and macros stand in each other more than ${MAX_DEPTH} deep: one uses itself without end`,
      );
  }

  /** Those that call each other twice would take as long as loops that never end. */
  #count(): void {
    if (isDue((this.state.left -= 1))) assertBounded("", this.state);
  }

  leave(): void {
    this.state.depth -= 1;
  }

  #nest(template: Template, context: Context): string {
    this.enter();
    const text = template.run(context);
    this.leave();
    return text;
  }
}

/** Text that a part of a template has made, which is markup. @throws RangeError for what is far too long */
export function toMarkup(text: string): SafeString {
  if (text.length <= MAX_TEXT) return new SafeString(text);
  throw new RangeError(`The page is longer than ${MAX_TEXT} characters`);
}

/** Whether it is time to look whether all goes on for too long: not each time, for that takes longer than most loops. */
export function isDue(left: number): boolean {
  return left < 0 || (left & 63) === 0;
}

/** Tells that loops have run too often or for too long, or made too much. */
export function assertBounded(text: string, state: RenderState): void {
  if (state.left < 0)
    throw new RangeError(
      `Loops, macros and blocks have run ${MAX_ITERATIONS} times: a template may not go on for longer; page what it shows`,
    );
  if (text.length > MAX_TEXT) throw new RangeError(`The page is longer than ${MAX_TEXT} characters`);
  if (performance.now() > state.until)
    throw new RangeError(`The page takes longer than ${MAX_MS / 1000} seconds: page what it shows`);
}

/** What is known in a loop as `loop`. */
export class Loop {
  index0 = 0;
  readonly depth0: number;
  readonly #items: readonly unknown[];
  #latest: unknown = Loop;

  constructor(items: readonly unknown[], outer: unknown) {
    this.#items = items;
    this.depth0 = outer instanceof Loop ? outer.depth0 + 1 : 0;
  }

  get index(): number {
    return this.index0 + 1;
  }
  get revindex(): number {
    return this.#items.length - this.index0;
  }
  get revindex0(): number {
    return this.#items.length - this.index0 - 1;
  }
  get first(): boolean {
    return this.index0 === 0;
  }
  get last(): boolean {
    return this.index0 === this.#items.length - 1;
  }
  get length(): number {
    return this.#items.length;
  }
  get depth(): number {
    return this.depth0 + 1;
  }
  get previtem(): unknown {
    return this.#items[this.index0 - 1];
  }
  get nextitem(): unknown {
    return this.#items[this.index0 + 1];
  }

  cycle(...values: unknown[]): unknown {
    return values[this.index0 % values.length];
  }

  changed(...values: unknown[]): boolean {
    const latest = JSON.stringify(values);
    const isOther = latest !== this.#latest;
    this.#latest = latest;
    return isOther;
  }
}

/** What the arguments of a macro are called, in order, and whether it takes others. */
export interface MacroSignature {
  readonly name: string;
  readonly parameters: readonly string[];
  readonly takesMore: boolean;
}

/** Makes the function that a macro is to its template. */
export function createMacro(
  context: Context,
  { name, parameters, takesMore }: MacroSignature,
  run: (values: readonly unknown[], more: readonly unknown[], named: Names) => string,
): (...args: unknown[]) => SafeString {
  const macro = (...args: unknown[]): SafeString => {
    const last = args.at(-1);
    const named = last instanceof NamedArguments ? { ...last.values } : {};
    const given = last instanceof NamedArguments ? args.slice(0, -1) : args;
    if (given.length > parameters.length && !takesMore)
      throw new TypeError(`${name}() takes ${parameters.length} arguments, not ${given.length}`);
    const values: unknown[] = limited(given.slice(0, parameters.length));
    for (const [index, parameter] of parameters.entries()) {
      if (!Object.hasOwn(named, parameter)) continue;
      values[index] = named[parameter];
      delete named[parameter];
    }
    const unknown = Object.keys(named).find((key) => key !== "caller");
    if (unknown !== undefined && !takesMore) throw new TypeError(`${name}() has no parameter "${unknown}"`);
    context.enter();
    const text = run(values, given.slice(parameters.length), named);
    context.leave();
    return toMarkup(text);
  };
  macros.add(macro);
  return macro;
}
