import { expect } from "bun:test";
import { FilterError } from "../../../src/resources/filter/error.ts";
import { type Expression, type Literal, parseFilter } from "../../../src/resources/filter/grammar.ts";
import { toMoment } from "../../../src/resources/filter/moments.ts";
import { anyText, fc, testProperty } from "../../properties.ts";

const field = fc
  .stringMatching(/^[a-z_][a-z0-9_]{0,5}(\.[a-z_][a-z0-9_]{0,5}){0,2}$/)
  .filter((name) => !["true", "false", "null", "in"].includes(name));
const moment = fc
  .tuple(
    fc.constantFrom("now", "today", "month"),
    fc.constantFrom("", "+", "-"),
    fc.nat(999_999),
    fc.constantFrom("m", "h", "d", "w", "mo", "y"),
  )
  .map(([name, sign, count, unit]) => `@${name}${sign === "" ? "" : `${sign}${count}${unit}`}`);
const literal: fc.Arbitrary<Literal> = fc.oneof(
  anyText(30).map((text) => ({ type: "text" as const, text, at: 0 })),
  fc.integer().map((number) => ({ type: "number" as const, text: String(number), at: 0 })),
  moment.map((text) => ({ type: "moment" as const, text, at: 0 })),
  fc.constantFrom("true", "false").map((text) => ({ type: "boolean" as const, text, at: 0 })),
  fc.constant({ type: "null" as const, text: "null", at: 0 }),
);
const comparison: fc.Arbitrary<Expression> = fc.record({
  type: fc.constant("comparison" as const),
  field,
  at: fc.constant(0),
  operator: fc.constantFrom("=", "!=", ">", ">=", "<", "<=", "~", "!~"),
  isAny: fc.boolean(),
  values: fc.array(literal, { minLength: 1, maxLength: 1 }),
});
const membership: fc.Arbitrary<Expression> = fc.record({
  type: fc.constant("comparison" as const),
  field,
  at: fc.constant(0),
  operator: fc.constant("in" as const),
  isAny: fc.constant(false),
  values: fc.array(literal, { minLength: 1, maxLength: 3 }),
});
const { expression } = fc.letrec<{ expression: Expression }>((tie) => ({
  expression: fc.oneof(
    { maxDepth: 5, depthSize: "small" },
    comparison,
    membership,
    tie("expression").map((part) => ({ type: "not" as const, part })),
    fc
      .tuple(
        fc.constantFrom("and" as const, "or" as const),
        fc.array(tie("expression"), { minLength: 2, maxLength: 3 }),
      )
      .map(([type, parts]) => ({ type, parts })),
  ),
}));
const space = fc.constantFrom("", " ", "\n\t");
const part = fc.constantFrom(
  "a",
  "a.b",
  "=",
  "!=",
  "?=",
  "in",
  "(",
  ")",
  "[",
  "]",
  ",",
  "!",
  "&&",
  "||",
  '"x"',
  "'",
  '"',
  "1",
  "-1.5",
  "@now-1d",
  "@",
  "null",
  "\\",
  "~",
  " ",
);

testProperty(
  "parseFilter() reads what was printed",
  [expression, space, fc.constantFrom('"', "'")],
  (given, gap, quote) => {
    const text = print(given, gap, quote);
    if (text.length <= 4000) expect(withoutPlaces(parseFilter(text))).toEqual(given);
  },
);

testProperty(
  "parseFilter() takes any text, or says where it is none",
  [
    fc.oneof(
      anyText(4500),
      fc.array(part, { maxLength: 60 }).map((all) => all.join("")),
    ),
  ],
  (text) => {
    try {
      parseFilter(text);
    } catch (error) {
      if (!(error instanceof FilterError)) throw error;
      expect(error.position).toBeGreaterThanOrEqual(0);
      expect(error.position).toBeLessThanOrEqual(text.length);
      expect(error.message.isWellFormed()).toBe(true);
    }
  },
);

testProperty(
  "toMoment() gives a moment that databases hold, or none",
  [moment, fc.date({ min: new Date("0001-01-01"), max: new Date("9999-12-31"), noInvalidDate: true })],
  (text, now) => {
    const found = toMoment(text, now);
    if (found === null) return;
    expect(found.toISOString()).toMatch(/^\d{4}-/);
    expect(toMoment(text, now)).toEqual(found);
  },
);

function print(given: Expression, gap: string, quote: string): string {
  if (given.type === "not") return `!${gap}(${print(given.part, gap, quote)})`;
  if (given.type !== "comparison") {
    const parts = given.parts.map((one) => `(${print(one, gap, quote)})`);
    return parts.join(`${gap}${given.type === "and" ? "&&" : "||"}${gap}`);
  }
  const values = given.values.map(({ type, text }) => {
    if (type !== "text") return text;
    return `${quote}${text.replaceAll("\\", "\\\\").replaceAll(quote, `\\${quote}`)}${quote}`;
  });
  if (given.operator === "in") return `${given.field} in (${values.join(`${gap},`)}${gap})`;
  return `${given.field}${gap}${given.isAny ? "?" : ""}${given.operator}${gap}${values.join("")}`;
}

function withoutPlaces(given: Expression): Expression {
  if (given.type === "not") return { ...given, part: withoutPlaces(given.part) };
  if (given.type !== "comparison") return { ...given, parts: given.parts.map(withoutPlaces) };
  return { ...given, at: 0, values: given.values.map((value) => ({ ...value, at: 0 })) };
}
