import { asc } from "drizzle-orm";
import { expect } from "bun:test";
import { type Field, toCondition } from "../../../src/resources/filter/conditions.ts";
import { type Comparison, type Expression, parseFilter } from "../../../src/resources/filter/grammar.ts";
import { testOnEachDialect } from "../../database-servers.ts";
import { createCrm } from "./crm-tables.ts";

type Value = string | number | boolean | Date | null;
type Row = Record<string, Value>;

const asking = { userId: 2, now: new Date("2026-03-31T10:30:00.000Z") };
const TEXTS = [
  "",
  "acm",
  "ACM",
  "Äcm",
  "äcm",
  "a%c",
  "a_c",
  "a\\c",
  "a.c",
  "[ac]",
  "it's",
  '"q"',
  "100%",
  "😀",
  "Z",
  "a ",
];
const AMOUNTS = ["-1000.50", "-1.00", "0.00", "0.50", "9.99", "10.00", "1000.00", "99999.99"];
const EXACT = [
  "-12345678901234567890.0001",
  "-9.5000",
  "0.0000",
  "9.5000",
  "10.0000",
  "12345678901234567890.0001",
];
const NUMBERS = [-5, 0, 1, 2, 10, 2 ** 31 - 1];
const DAYS = ["2025-12-31", "2026-02-28", "2026-03-01", "2026-03-31"];
const MOMENTS = DAYS.map((day) => new Date(`${day}T00:00:00.000Z`));
const STAGES = ["open", "won", "lost"];

/** The same numbers in each run. */
function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

type Kind = "text" | "number" | "decimal" | "exact" | "boolean" | "day" | "moment" | "stage";

const KINDS: Readonly<Record<string, Kind>> = {
  title: "text",
  note: "text",
  stage: "stage",
  amount: "decimal",
  exact: "exact",
  count: "number",
  big: "number",
  is_hot: "boolean",
  due: "day",
  closed_at: "moment",
  "company.name": "text",
  "company.parent.name": "text",
};
const VALUES: Readonly<Record<Kind, readonly string[]>> = {
  text: TEXTS.map((one) => JSON.stringify(one)),
  number: [...NUMBERS.map(String), "@me"],
  decimal: AMOUNTS,
  exact: EXACT,
  boolean: ["true", "false"],
  day: [...DAYS.map((day) => `"${day}"`), "@today", "@month", "@today-1mo", "@today-30d"],
  moment: [
    ...MOMENTS.map((moment) => `"${moment.toISOString()}"`),
    ...DAYS.map((day) => `"${day}"`),
    "@now",
    "@month-1d",
  ],
  stage: STAGES.map((stage) => `"${stage}"`),
};
const OPERATORS: Readonly<Record<Kind, readonly string[]>> = {
  text: ["=", "!=", ">", ">=", "<", "<=", "~", "!~", "in"],
  number: ["=", "!=", ">", ">=", "<", "<=", "in"],
  decimal: ["=", "!=", ">", ">=", "<", "<=", "in"],
  exact: ["=", "!=", ">", ">=", "<", "<=", "in"],
  boolean: ["=", "!="],
  day: ["=", "!=", ">", ">=", "<", "<=", "in"],
  moment: ["=", "!=", ">", ">=", "<", "<=", "in"],
  stage: ["=", "!=", "in"],
};

function writeFilter(random: () => number, depth: number): string {
  const pick = <Item>(all: readonly Item[]): Item => all[Math.floor(random() * all.length)] as Item;
  if (depth > 0 && random() < 0.6) {
    const parts = [writeFilter(random, depth - 1), writeFilter(random, depth - 1)];
    return `${random() < 0.4 ? "!" : ""}(${parts.join(random() < 0.5 ? " && " : "||")})`;
  }
  const field = pick(Object.keys(KINDS));
  const kind = KINDS[field] as Kind;
  const operator = pick(OPERATORS[kind]);
  if (operator === "in") return `${field} in (${pick(VALUES[kind])}, ${pick(VALUES[kind])})`;
  const isNull = (operator === "=" || operator === "!=") && random() < 0.2;
  return `${field} ${operator} ${isNull ? "null" : pick(VALUES[kind])}`;
}

/** What a filter means, said without SQL. */
function holds(expression: Expression, read: (comparison: Comparison) => boolean): boolean {
  if (expression.type === "not") return !holds(expression.part, read);
  if (expression.type === "comparison") return read(expression);
  return expression.type === "and"
    ? expression.parts.every((part) => holds(part, read))
    : expression.parts.some((part) => holds(part, read));
}

function toComparable(kind: Kind, value: Value | undefined): string | number | bigint | null {
  if (value === null || value === undefined) return null;
  if (value instanceof Date) return value.getTime();
  if (kind === "exact" || kind === "decimal") return BigInt(String(value).replace(".", ""));
  return typeof value === "boolean" ? Number(value) : value;
}

function readLiteral(
  kind: Kind,
  { type, text }: Comparison["values"][number],
): string | number | bigint | null {
  const moments: Record<string, string> = {
    "@now": "2026-03-31T10:30:00.000Z",
    "@today": "2026-03-31",
    "@month": "2026-03-01",
    "@today-1mo": "2026-02-28",
    "@today-30d": "2026-03-01",
    "@month-1d": "2026-02-28",
  };
  if (type === "null") return null;
  if (text === "@me") return 2;
  const said = type === "moment" ? (moments[text] as string) : text;
  if (kind === "day") return said;
  if (kind === "moment") return Date.parse(said);
  if (kind === "number") return Number(said);
  if (kind === "exact" || kind === "decimal") return BigInt(said.replace(".", ""));
  return kind === "boolean" ? Number(said === "true") : said;
}

const small = (text: string): string => text.replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase());

/** By code points, as databases compare text. */
function order(a: string | number | bigint, b: string | number | bigint): number {
  if (typeof a !== "string" && typeof b !== "string") return a < b ? -1 : Number(a > b);
  return Buffer.compare(Buffer.from(String(a)), Buffer.from(String(b)));
}

function compare(kind: Kind, value: Value | undefined, { operator, values }: Comparison): boolean {
  const own = toComparable(kind, value);
  const others = values.map((literal) => readLiteral(kind, literal));
  const [other = null] = others;
  const isEqual = others.some((one) => own === one);
  if (operator === "=" || operator === "in") return isEqual;
  if (operator === "!=") return !isEqual;
  const isIn = own !== null && small(String(own)).includes(small(String(other)));
  if (operator === "~" || operator === "!~") return isIn === (operator === "~");
  if (own === null || other === null) return false;
  const side = order(own, other);
  return operator.startsWith(">")
    ? side > 0 || (operator === ">=" && side === 0)
    : side < 0 || (operator === "<=" && side === 0);
}

function toOptions(fields: Readonly<Record<string, Field>>) {
  return { find: (name: string) => fields[name] ?? null, names: () => Object.keys(fields), asking };
}

testOnEachDialect("a filter means the same in SQL as said plainly", async ({ driver }) => {
  const { db, companies, deals, fields } = await createCrm(driver);
  const random = createRandom(20_261_127);
  const pick = <Item>(all: readonly Item[]): Item | null =>
    random() < 0.15 ? null : (all[Math.floor(random() * all.length)] as Item);
  const firms = [
    ...TEXTS.slice(1, 9).map((name, index) => ({
      id: index + 1,
      name,
      parent_id: index === 0 ? null : 1 + (index % 3),
    })),
    { id: 9, name: null, parent_id: 2 },
  ];
  await db.insert(companies).values(firms.map((firm) => ({ ...firm, parent_id: null })));
  for (const { id, parent_id } of firms)
    // oxlint-disable-next-line no-await-in-loop -- each refers to one before it
    await db
      .update(companies)
      .set({ parent_id })
      .where(toCondition(parseFilter(`id = ${id}`), toOptions({ id: { column: companies.id, steps: [] } })));
  const rows = Array.from({ length: 80 }, (_, index) => ({
    id: index + 1,
    title: pick(TEXTS) ?? "none",
    note: pick(TEXTS),
    stage: pick(STAGES) as "open" | "won" | "lost" | null,
    amount: pick(AMOUNTS),
    exact: pick(EXACT),
    count: pick(NUMBERS),
    big: pick([...NUMBERS, Number.MAX_SAFE_INTEGER]),
    is_hot: pick([true, false]),
    due: pick(DAYS),
    closed_at: pick([...MOMENTS, asking.now]),
    company_id: pick(firms)?.id ?? null,
  }));
  await db.insert(deals).values(rows);
  const plain: Row[] = rows.map((row) => {
    const firm = firms.find(({ id }) => id === row.company_id);
    const parent = firms.find(({ id }) => id === firm?.parent_id);
    return { ...row, "company.name": firm?.name ?? null, "company.parent.name": parent?.name ?? null };
  });
  for (let run = 0; run < 400; run += 1) {
    const filter = writeFilter(random, 3);
    const expression = parseFilter(filter);
    const condition = toCondition(expression, toOptions(fields));
    // oxlint-disable-next-line no-await-in-loop -- one after another
    const found = await db.select({ id: deals.id }).from(deals).where(condition).orderBy(asc(deals.id));
    const expected = plain.filter((row) =>
      holds(expression, (comparison) =>
        compare(KINDS[comparison.field] as Kind, row[comparison.field], comparison),
      ),
    );
    expect([filter, found.map(({ id }) => id)]).toEqual([filter, expected.map(({ id }) => Number(id))]);
  }
});

testOnEachDialect("of several rows any may fit", async ({ driver }) => {
  const { db, companies, deals, ofCompanies } = await createCrm(driver);
  await db.insert(companies).values([{ name: "both" }, { name: "won" }, { name: "none" }]);
  await db.insert(deals).values([
    { title: "a", stage: "open", amount: "5.00", company_id: 1 },
    { title: "b", stage: "won", amount: null, company_id: 1 },
    { title: "c", stage: "won", amount: "7.00", company_id: 2 },
    { title: "d", stage: "lost", company_id: null },
  ]);
  const find = async (filter: string) => {
    const condition = toCondition(parseFilter(filter), toOptions(ofCompanies));
    return (await db.select().from(companies).where(condition).orderBy(companies.id)).map(({ name }) => name);
  };
  expect(await find('deals.stage ?= "won"')).toEqual(["both", "won"]);
  expect(await find('!(deals.stage ?= "won")')).toEqual(["none"]);
  expect(await find('deals.stage ?!= "won"')).toEqual(["both"]);
  expect(await find("deals.amount ?= null")).toEqual(["both"]);
  expect(await find("deals.amount ?> 5")).toEqual(["won"]);
  expect(await find('deals.stage ?= "lost" || name ?= "none"')).toEqual(["none"]);
  expect(() => toCondition(parseFilter('deals.stage = "won"'), toOptions(ofCompanies))).toThrow(
    'Expected ?=, as "deals.stage" is of several rows at character 1',
  );
});
