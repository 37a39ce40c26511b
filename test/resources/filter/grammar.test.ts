import { expect, test } from "bun:test";
import { createSchemaModule } from "../../../src/db/schema/schema.ts";
import { type Field, toCondition } from "../../../src/resources/filter/conditions.ts";
import { type Expression, parseFilter } from "../../../src/resources/filter/grammar.ts";
import { toMoment } from "../../../src/resources/filter/moments.ts";
import { TABLE_MAKERS } from "../../db/table-makers.ts";

/** An expression in a few characters. */
function show(expression: Expression): string {
  if (expression.type === "not") return `!${show(expression.part)}`;
  if (expression.type !== "comparison") return `(${expression.parts.map(show).join(` ${expression.type} `)})`;
  const { field, isAny, operator, values } = expression;
  return `${field}${isAny ? "?" : ""}${operator}${values.map(({ type, text }) => `${type}:${text}`).join(",")}`;
}

test("parseFilter() reads what people write", () => {
  const read: [string, string][] = [
    ['stage="won"', "stage=text:won"],
    [
      'stage = "won" && (amount > 1000 || company.name ~ "acm") && closed_at >= @today-30d',
      "(stage=text:won and (amount>number:1000 or company.name~text:acm) and closed_at>=moment:@today-30d)",
    ],
    ["a = 1 || b = 2 && c = 3", "(a=number:1 or (b=number:2 and c=number:3))"],
    ["!a=true&&!(b!=null)", "(!a=boolean:true and !b!=null:null)"],
    ["a in (1, 2)", "ainnumber:1,number:2"],
    ['a in ["x"]', "aintext:x"],
    ["tags.name ?!~ 'it\\'s'", "tags.name?!~text:it's"],
    ['a = "say \\"\\\\\\""', 'a=text:say "\\"'],
    ["a=-1.50", "a=number:-1.50"],
    ["in in (1)", "ininnumber:1"],
    ["constructor = 1", "constructor=number:1"],
    ["\n a\t=\r1 ", "a=number:1"],
  ];
  for (const [filter, expected] of read) expect(show(parseFilter(filter))).toBe(expected);
});

test("parseFilter() says where a filter is wrong, and what was expected", () => {
  const refused: [string, string][] = [
    ["", 'Expected the name of a field, "!" or "(" at character 1, found the end'],
    [
      "stage",
      "Expected an operator (= != > >= < <= ~ !~ in, or with ? before it) at character 6, found the end",
    ],
    [
      "stage == 1",
      'Expected a value: "text", a number, true, false, null, or a moment such as @today-30d at character 8, found "="',
    ],
    ['a = "x', 'Expected text that ends in "; a backslash goes before one inside at character 5'],
    ["a = 1 & b = 2", 'Expected a name, a value or an operator at character 7, found "&"'],
    ["a = 1 and b = 2", 'Expected "&&", "||" or the end at character 7, found "and"'],
    ["(a = 1", 'Expected "&&", "||" or ")" at character 7, found the end'],
    ["a = 1)", 'Expected "&&", "||" or the end at character 6, found ")"'],
    ["a = b", "Expected a value"],
    ["a in 1", 'Expected a list such as ("a", "b") at character 6, found "1"'],
    ["a in (1]", 'Expected "," or ")" at character 8, found "]"'],
    ["a = 1; drop table users", 'Expected a name, a value or an operator at character 6, found ";"'],
    ["a = 1 -- x", 'Expected a name, a value or an operator at character 7, found "-"'],
    ["true = 1", "Expected the name of a field"],
    ["A = 1", "Expected a name, a value or an operator at character 1"],
    ["a = 1e5", "at character 5"],
    ["a = 0x10", "at character 5"],
    ["a..b = 1", "at character 2"],
    ["a = \u0000", "at character 5"],
    ["x".repeat(100_000), "Expected at most 4000 characters at character 4001"],
    ["(".repeat(3999), "Expected nesting of at most 20 levels at character 21"],
    ["!".repeat(3999), "Expected nesting of at most 20 levels at character 21"],
    [Array(101).fill("a=1").join("||"), "Expected at most 100 comparisons"],
    [`a in (${Array(101).fill("1").join()})`, "Expected at most 100 values"],
  ];
  for (const [filter, message] of refused) expect(() => parseFilter(filter)).toThrow(message);
});

const {
  boolean,
  date,
  decimal,
  enumOf,
  id,
  integer,
  json,
  table,
  timestamp,
  uuid,
  text: textColumn,
} = createSchemaModule(TABLE_MAKERS.sqlite);
const things = table("things", {
  id: id(),
  note: textColumn(),
  stage: enumOf(["open", "won"]),
  amount: decimal(5, 2),
  count: integer(),
  is_hot: boolean(),
  due: date(),
  at: timestamp(),
  data: json(),
  key: uuid(),
});
const fields = new Map<string, Field>(
  Object.values(things).map((column) => [column.name, { column, steps: [] }] as const),
);
const toSql = (filter: string, userId: number | null = null) =>
  void toCondition(parseFilter(filter), {
    find: (name) => fields.get(name) ?? null,
    names: () => ["id", "note"],
    asking: { userId, now: new Date("2026-03-31T10:30:00.000Z") },
  });

test("toCondition() takes the values of a column alone", () => {
  const refused: [string, string][] = [
    ["nope = 1", 'Expected one of "id", "note" at character 1, found "nope"'],
    ["data = 1", "Expected a field that isn't JSON at character 1"],
    ["note = 1", 'Expected text in quotes at character 8, found "1"'],
    ['note = "\u0000"', "Expected text in quotes"],
    ['stage = "lost"', 'Expected one of "open", "won" at character 9, found "lost"'],
    ['stage > "open"', 'Expected = != in for "stage" at character 1, found ">"'],
    ['stage ~ "op"', "Expected text for ~ at character 1"],
    ["count = 1.5", "Expected a whole number, or @me at character 9"],
    ["count > 99999999999", "Expected a whole number, or @me at character 9"],
    ["id = 99999999999999999999", "Expected a whole number, or @me"],
    ["amount > 1000", "Expected a number of at most 5 digits, 2 of them behind the point"],
    ["amount = 1.555", "Expected a number of at most 5 digits"],
    ["is_hot = 1", "Expected true or false"],
    ["is_hot > true", "Expected = != in"],
    ['due = "2026-02-30"', 'Expected a day such as "2026-01-31"'],
    ['due = "2026-02-01T00:00:00Z"', 'Expected a day such as "2026-01-31"'],
    ['at > "yesterday"', 'Expected a moment such as "2026-01-31"'],
    ['at > "2026-02-30"', 'Expected a moment such as "2026-01-31"'],
    ["at > @nope", "Expected a moment"],
    ["at > @today-30x", "Expected a moment"],
    ["at > @today+999999y", "Expected a moment"],
    ["at = @me", "Expected a moment"],
    ['key = "x"', "Expected a UUID in quotes"],
    ["count > null", "Expected a whole number"],
    ["count in (null)", "Expected a whole number"],
  ];
  const told = refused.map(([filter, message]) => [
    filter,
    catchMessage(() => toSql(filter)).slice(0, message.length),
  ]);
  expect(told).toEqual(refused);
  expect(() => toSql("count = @me")).not.toThrow();
});

function catchMessage(run: () => void): string {
  try {
    run();
    return "nothing";
  } catch (error) {
    return (error as Error).message;
  }
}

test("toMoment() shifts by the calendar", () => {
  const now = new Date("2026-03-31T10:30:00.000Z");
  const moments: [string, string | undefined][] = [
    ["@now", "2026-03-31T10:30:00.000Z"],
    ["@now-90m", "2026-03-31T09:00:00.000Z"],
    ["@now+2h", "2026-03-31T12:30:00.000Z"],
    ["@today", "2026-03-31T00:00:00.000Z"],
    ["@today-1mo", "2026-02-28T00:00:00.000Z"],
    ["@today-1y", "2025-03-31T00:00:00.000Z"],
    ["@today+1w", "2026-04-07T00:00:00.000Z"],
    ["@month-1mo", "2026-02-01T00:00:00.000Z"],
    ["@today-99999y", undefined],
    ["@me", undefined],
  ];
  for (const [text, moment] of moments) expect(toMoment(text, now)?.toISOString()).toBe(moment as string);
});
