import { FilterError } from "./error.ts";
import { show, type Token, toTokens } from "./tokens.ts";

/** How a field is compared with a value. */
export type Operator = "=" | "!=" | ">" | ">=" | "<" | "<=" | "~" | "!~" | "in";

/** A value as it is written. */
export interface Literal {
  readonly type: "text" | "number" | "boolean" | "null" | "moment";
  readonly text: string;
  readonly at: number;
}

export interface Comparison {
  readonly type: "comparison";
  /** A column, or names of relations and a column: "company.name". */
  readonly field: string;
  readonly at: number;
  readonly operator: Operator;
  /** Whether it holds when one of several rows fits: `?=`. */
  readonly isAny: boolean;
  /** Of `in` several, else one. */
  readonly values: readonly Literal[];
}

/** What a filter says. */
export type Expression =
  | Comparison
  | { readonly type: "and" | "or"; readonly parts: readonly Expression[] }
  | { readonly type: "not"; readonly part: Expression };

const MAX_DEPTH = 20;
const MAX_COMPARISONS = 100;
const MAX_VALUES = 100;
const COMPARING = new Set<string>(["=", "!=", ">", ">=", "<", "<=", "~", "!~"]);
const WORDS = new Map<string, Literal["type"]>([
  ["true", "boolean"],
  ["false", "boolean"],
  ["null", "null"],
]);

/**
 * Reads a filter such as `stage = "won" && (amount > 1000 || company.name ~ "acm")`: comparisons, `!`, `&&` which binds
 * closer than `||`, and parentheses.
 *
 * @throws FilterError where it isn't one, is nested deeper than 20 levels, or has more than 100 comparisons
 */
export function parseFilter(filter: string): Expression {
  return new Parser(toTokens(filter)).parse();
}

class Parser {
  readonly #tokens: readonly Token[];
  #at = 0;
  #depth = 0;
  #comparisons = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  parse(): Expression {
    const expression = this.#parseAny();
    if (this.#token.type !== "end") throw this.#refuse('"&&", "||" or the end');
    return expression;
  }

  get #token(): Token {
    return this.#tokens[this.#at] as Token;
  }

  #parseAny(): Expression {
    return this.#parseList("or", "||", () => this.#parseList("and", "&&", () => this.#parseOne()));
  }

  #parseList(type: "and" | "or", symbol: string, parse: () => Expression): Expression {
    const first = parse();
    if (!this.#is(symbol)) return first;
    const parts = [first];
    while (this.#take(symbol)) parts.push(parse());
    return { type, parts };
  }

  #parseOne(): Expression {
    const { at } = this.#token;
    if (this.#take("!")) return this.#within(at, () => ({ type: "not", part: this.#parseOne() }));
    if (!this.#take("(")) return this.#parseComparison();
    return this.#within(at, () => {
      const inner = this.#parseAny();
      if (!this.#take(")")) throw this.#refuse('"&&", "||" or ")"');
      return inner;
    });
  }

  #within(at: number, parse: () => Expression): Expression {
    this.#depth += 1;
    if (this.#depth > MAX_DEPTH) throw new FilterError(at, `nesting of at most ${MAX_DEPTH} levels`);
    const expression = parse();
    this.#depth -= 1;
    return expression;
  }

  #parseComparison(): Comparison {
    const { type, text: field, at } = this.#token;
    if (type !== "name" || WORDS.has(field)) throw this.#refuse('the name of a field, "!" or "("');
    this.#comparisons += 1;
    if (this.#comparisons > MAX_COMPARISONS) throw this.#refuse(`at most ${MAX_COMPARISONS} comparisons`);
    this.#at += 1;
    const { operator, isAny } = this.#parseOperator();
    const values = operator === "in" ? this.#parseValues() : [this.#parseValue()];
    return { type: "comparison", field, at, operator, isAny, values };
  }

  #parseOperator(): Pick<Comparison, "operator" | "isAny"> {
    const { type, text } = this.#token;
    const isAny = type === "symbol" && text.startsWith("?");
    const operator = isAny ? text.slice(1) : text;
    const isOperator = type === "symbol" ? COMPARING.has(operator) : type === "name" && operator === "in";
    if (!isOperator) throw this.#refuse("an operator (= != > >= < <= ~ !~ in, or with ? before it)");
    this.#at += 1;
    return { operator: operator as Operator, isAny };
  }

  #parseValues(): Literal[] {
    const closing = this.#is("[") ? "]" : ")";
    if (!this.#take("(") && !this.#take("[")) throw this.#refuse('a list such as ("a", "b")');
    const values: Literal[] = [];
    do {
      if (values.length === MAX_VALUES) throw this.#refuse(`at most ${MAX_VALUES} values`);
      values.push(this.#parseValue());
    } while (this.#take(","));
    if (!this.#take(closing)) throw this.#refuse(`"," or "${closing}"`);
    return values;
  }

  #parseValue(): Literal {
    const { type, text, at } = this.#token;
    const literal = type === "name" ? WORDS.get(text) : type;
    if (literal === undefined || literal === "symbol" || literal === "end") {
      throw this.#refuse('a value: "text", a number, true, false, null, or a moment such as @today-30d');
    }
    this.#at += 1;
    return { type: literal, text, at };
  }

  #is(symbol: string): boolean {
    return this.#token.type === "symbol" && this.#token.text === symbol;
  }

  #take(symbol: string): boolean {
    if (!this.#is(symbol)) return false;
    this.#at += 1;
    return true;
  }

  #refuse(expected: string): FilterError {
    return new FilterError(this.#token.at, expected, show(this.#token));
  }
}
