import { Database } from "bun:sqlite";
import { join } from "node:path";
import { expect, test } from "bun:test";
import type { Arbitrary } from "fast-check";
import { sameJson } from "../../../src/db/copy/json-text.ts";
import { createTestDatabase, testWithServer } from "../../database-servers.ts";
import { fc, testProperty } from "../../properties.ts";
import { TestFolder } from "../../setup.ts";
import { copy, fill, makeTables, readAll, type Thing } from "./copied-project.ts";

const SEED = Number(process.env["XCORE_TEST_SEED"] ?? 20_261_127);

const text = fc.oneof(
  fc.string({ unit: "binary", maxLength: 40 }),
  fc.constantFrom(
    "",
    " ",
    "😀",
    "a\tb\\n\r\n",
    "\\N",
    "\\.",
    "'; drop table x; --",
    "trailing  ",
    "\u001a\b\u007f",
  ),
);
const withoutNul = text.map((value) => value.replaceAll("\0", ""));
const json = fc
  .oneof(fc.jsonValue(), fc.constantFrom(9_007_199_254_740_993n, 1e300, 0.1))
  .map((value) => (typeof value === "bigint" ? `{"n": ${value}}` : JSON.stringify(value)))
  .filter((value) => !value.includes("\\u"));
const decimal = (whole: number, scale: number) =>
  fc
    .tuple(fc.boolean(), fc.bigInt({ min: 0n, max: 10n ** BigInt(whole + scale) - 1n }))
    .map(([isNegative, units]) => {
      const digits = String(units).padStart(scale + 1, "0");
      const shown = `${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
      return isNegative && units > 0n ? `-${shown}` : shown;
    });
const maybe = <T>(arbitrary: Arbitrary<T>) => fc.option(arbitrary, { freq: 6 });
const thing: Arbitrary<Thing> = fc.record({
  id: fc.integer({ min: 1, max: 2 ** 31 }),
  big: maybe(fc.oneof(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), fc.constant(2n ** 53n + 1n))),
  flag: maybe(fc.boolean()),
  at: maybe(fc.integer({ min: Date.UTC(1000, 0, 1), max: Date.UTC(9999, 11, 31) })),
  price: maybe(decimal(13, 2)),
  exact: maybe(decimal(30, 10)),
  data: maybe(json),
  note: maybe(withoutNul),
  bytes: maybe(fc.uint8Array({ maxLength: 60 })),
  ratio: maybe(fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => value + 0)),
  day: maybe(fc.constantFrom("1000-01-01", "2024-02-29", "9999-12-31")),
  code: maybe(fc.uuid()),
  parent: fc.constant(null),
});
const things = fc.uniqueArray(thing, { selector: ({ id }) => id, minLength: 1, maxLength: 60 });

testWithServer(
  "postgres",
  "any rows come back the same by SQLite, PostgreSQL, MySQL and SQLite",
  240_000,
  async () => {
    await fc.assert(
      fc.asyncProperty(things, async (rows: readonly Thing[]) => {
        await using folder = await TestFolder.create();
        await using postgres = await createTestDatabase("postgres");
        await using mysql = await createTestDatabase("mysql");
        const [first, last] = [join(folder.path, "first.db"), join(folder.path, "last.db")];
        await makeTables(`sqlite:${first}`);
        // Rows that refer to later ones, and to themselves.
        const referring = rows.map((row, at) => ({
          ...row,
          parent: at % 3 === 0 ? (rows.at(-1 - at)?.id ?? null) : null,
        }));
        const keys = [
          ...new Set(
            rows.map(({ note }) => (note ?? "").replaceAll(/\s+$/g, "").slice(0, 20).toWellFormed()),
          ),
        ];
        fill(
          first,
          referring,
          keys.map((key, at) => [key, at, rows[at % rows.length]?.id ?? null] as const),
        );
        const reports = [
          await copy(`sqlite:${first}`, postgres.url),
          await copy(postgres.url, mysql.url),
          await copy(mysql.url, `sqlite:${last}`),
        ];
        expect(new Set(reports.map(({ rows: count }) => count)).size).toBe(1);
        const [before, after] = [readAll(first), readAll(last)].map(withSameJson);
        expect(after).toEqual(before ?? {});
      }),
      { seed: SEED, numRuns: 2 * Number(process.env["XCORE_TEST_RUNS"] ?? 1) },
    );
  },
);

function withSameJson(tables: Record<string, unknown[][]>): Record<string, unknown[][]> {
  const shown = tables["shop_things"]?.map((row) =>
    row.map((value, at) => (at === 6 && typeof value === "string" ? sameJson(value) : value)),
  );
  // As they come: each database sorts texts in its own way, and these have no key.
  const lines = tables["shop_lines"]
    ?.map(([line]) => JSON.stringify(line))
    .toSorted((a = "", b = "") => (a < b ? -1 : 1));
  const pairs = tables["shop_pairs"]?.map((row) => row.map(String));
  return {
    shop_things: shown ?? [],
    shop_lines: (lines ?? []).map((line) => [line]),
    shop_pairs: pairs ?? [],
  };
}

testWithServer(
  "mysql",
  "U+0000 and rows without a key go where they can, and sequences and an index of words go on",
  120_000,
  async () => {
    await using folder = await TestFolder.create();
    await using mysql = await createTestDatabase("mysql");
    const [first, last] = [join(folder.path, "first.db"), join(folder.path, "last.db")];
    await makeTables(`sqlite:${first}`);
    const row = {
      big: null,
      flag: null,
      at: null,
      price: null,
      exact: null,
      data: null,
      bytes: null,
      ratio: null,
      day: null,
      code: null,
      parent: null,
    };
    fill(
      first,
      [
        { ...row, id: 7, note: "a\0b" },
        { ...row, id: 8, note: "some words" },
        { ...row, id: 9, note: null },
      ],
      [],
    );
    {
      // The ids of rows that are gone aren't given again.
      using database = new Database(first);
      database.run("delete from shop_things where id = 9");
    }
    await copy(`sqlite:${first}`, mysql.url);
    await copy(mysql.url, `sqlite:${last}`);
    using database = new Database(last);
    expect(database.query("select id, note from shop_things").values()).toEqual([
      [7, "a\0b"],
      [8, "some words"],
    ]);
    expect(database.query("select text from shop_lines order by 1").values()).toEqual([
      [null],
      ["a\0b"],
      ["some words"],
    ]);
    expect(
      database.query("select rowid from shop_things_search where shop_things_search match 'words'").values(),
    ).toEqual([[8]]);
    expect(database.query("insert into shop_things (note) values ('next') returning id").values()).toEqual([
      [10],
    ]);
    expect(database.query("select name from sqlite_master where name = 'xcore_copy'").values()).toEqual([]);
    expect(database.query("pragma foreign_key_check").values()).toEqual([]);

    await using postgres = await createTestDatabase("postgres");
    const failed = copy(mysql.url, postgres.url);
    expect(failed).rejects.toThrow(
      'Cannot copy "shop_lines"."text" of row 1, in the order of its key: it holds the character U+0000',
    );
    await failed.catch(() => {});
  },
);

test("sameJson() gives one text for JSON that means the same, and different ones for what doesn't", () => {
  expect(sameJson('{"b":1.0e2,"a":[1, "x y",null,true]}')).toBe(
    sameJson('{ "a" : [1,"x y", null, true], "b": 100 }'),
  );
  expect(sameJson('"\\u00e9"')).toBe(sameJson('"é"'));
  expect(sameJson("-0")).toBe(sameJson("0.0"));
  expect(sameJson("9007199254740993")).not.toBe(sameJson("9007199254740992"));
  expect(sameJson('{"a":{}}')).not.toBe(sameJson('{"a":[]}'));
});

testProperty("sameJson() tells JSON apart as its values are", [fc.jsonValue(), fc.jsonValue()], (a, b) => {
  const [one, other] = [JSON.stringify(a), JSON.stringify(b, null, 2)];
  expect(sameJson(one)).toBe(sameJson(JSON.stringify(a, null, 1)));
  expect(sameJson(one) === sameJson(other)).toBe(Bun.deepEquals(JSON.parse(one), JSON.parse(other)));
});

test("a text that isn't UTF-8 is refused, and one with the character that would stand for it is copied", async () => {
  await using folder = await TestFolder.create();
  const [from, to] = [join(folder.path, "from.db"), join(folder.path, "to.db")];
  await makeTables(`sqlite:${from}`);
  using database = new Database(from);
  database.run("insert into shop_things (id, note) values (1, ?)", ["a\ufffdb"]);
  database.run("insert into shop_things (id, note) values (2, cast(x'61ff62' as text))");
  expect(copy(`sqlite:${from}`, `sqlite:${to}`)).rejects.toThrow(
    'Cannot copy "shop_things"."note": a text in it isn\'t UTF-8',
  );
  await copy(`sqlite:${from}`, `sqlite:${to}`).catch(() => {});
  database.run("update shop_things set note = 'mended' where id = 2");
  await copy(`sqlite:${from}`, `sqlite:${to}`);
  using copied = new Database(to);
  expect(copied.query("select note from shop_things order by id").values()).toEqual([
    ["a\ufffdb"],
    ["mended"],
  ]);
});

testWithServer(
  "postgres",
  "what PostgreSQL refuses of the rows is told, and goes on once it is mended",
  120_000,
  async () => {
    await using folder = await TestFolder.create();
    await using postgres = await createTestDatabase("postgres");
    const from = join(folder.path, "from.db");
    await makeTables(`sqlite:${from}`);
    using database = new Database(from);
    database.run("insert into shop_things (id, day) values (1, '2024-13-45')");
    const refused = await copy(`sqlite:${from}`, postgres.url).catch(String);
    expect(refused).toContain(
      'Cannot copy "shop_things": Cannot use a value: the date or time is out of range',
    );
    database.run("update shop_things set day = '2024-12-31'");
    await copy(`sqlite:${from}`, postgres.url);
  },
);
