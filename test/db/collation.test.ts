import { asc, eq, gt, like, notLike, sql } from "drizzle-orm";
import { expect } from "bun:test";
import pino from "pino";
import { ConstraintError } from "../../src/db/contract/database-error.ts";
import type { Driver } from "../../src/db/contract/driver.ts";
import { parseDatabaseUrl } from "../../src/db/contract/database-url.ts";
import { openDatabase } from "../../src/db/open.ts";
import { createSchemaModule } from "../../src/db/schema/schema.ts";
import { testOnDialect, testOnEachDialect } from "../database-servers.ts";
import { failureOf } from "./failures.ts";
import { createTables } from "./schema/created-tables.ts";

/** In the order of their characters' numbers: what SQLite says of them. */
const WORDS = ["", " a", "A", "B", "Zoe", "a", "a ", "a  ", "ab", "b", "ß", "é", "İ", "ﬁ", "👩", "👩‍👩"];

function declare(driver: Driver) {
  const { enumOf, id, references, table, text, varchar } = createSchemaModule(driver.tableMakers);
  const words = table("words", { id: id(), word: varchar(40).notNull().unique(), body: text() });
  const states = table("states", {
    id: id(),
    word_id: references(() => words.id),
    state: enumOf(["draft", "done"]),
  });
  return { words, states };
}

async function createWords(driver: Driver) {
  const tables = declare(driver);
  await createTables(driver, tables);
  const db = driver.toDatabase(tables);
  await db.insert(tables.words).values(WORDS.toReversed().map((word) => ({ word, body: word })));
  return { ...tables, db };
}

async function assertByCharacter(driver: Driver): Promise<void> {
  const { db, words, states } = await createWords(driver);
  const sorted = async (column: typeof words.word | typeof words.body) =>
    (await db.select({ word: column }).from(words).orderBy(asc(column))).map(({ word }) => word);
  expect(await sorted(words.word)).toEqual(WORDS);
  expect(await sorted(words.body)).toEqual(WORDS);
  const of = async (where: ReturnType<typeof eq>) =>
    (await db.select({ word: words.word }).from(words).where(where).orderBy(words.word)).map(
      ({ word }) => word,
    );
  expect(await of(eq(words.word, "a"))).toEqual(["a"]);
  expect(await of(eq(words.body, "a "))).toEqual(["a "]);
  expect(await of(gt(words.word, "b"))).toEqual(WORDS.slice(WORDS.indexOf("b") + 1));
  expect(await of(like(words.word, "a%"))).toEqual(["a", "a ", "a  ", "ab"]);
  expect(await of(like(words.word, "A%"))).toEqual(["A"]);
  expect(await of(eq(sql`concat(${words.word}, '')`, "A"))).toEqual(["A"]);
  expect(await db.$count(words, sql`'a' = 'A' or 'a' = 'a '`)).toBe(0);
  const groups = await db.select({ word: words.body }).from(words).groupBy(words.body);
  expect(groups).toHaveLength(WORDS.length);
  expect(await db.selectDistinct({ word: words.body }).from(words)).toHaveLength(WORDS.length);
  expect(await failureOf(db.insert(words).values({ word: "a " }))).toBeInstanceOf(ConstraintError);
  expect(await failureOf(db.insert(states).values({ state: "draft " as "draft" }))).toMatchObject({
    fault: "check",
  });
}

testOnEachDialect("text compares and sorts character by character, with its spaces", ({ driver }) =>
  assertByCharacter(driver),
);

for (const locale of ["icu_locale 'en-US'", "icu_locale 'de-u-ks-level1'"]) {
  testOnDialect("postgres", `text compares the same in a database of ${locale}`, async (context) => {
    const name = `xcore_test_icu_${Bun.randomUUIDv7("hex").replaceAll("-", "")}`;
    const db = context.driver.toDatabase({});
    await db.execute(
      sql.raw(`create database ${name} template template0 locale_provider icu ${locale} locale 'C'`),
    );
    const url = new URL(context.url);
    url.pathname = `/${name}`;
    const driver = await openDatabase({
      url: parseDatabaseUrl(url.href, context.folder.path),
      poolSize: 2,
      echo: false,
      log: pino({ level: "silent" }),
    });
    try {
      await assertByCharacter(driver);
    } finally {
      await driver.close();
      await db.execute(sql.raw(`drop database ${name} with (force)`));
    }
  });
}

testOnEachDialect("like() takes a backslash for the escape", async ({ driver }) => {
  const tables = declare(driver);
  await createTables(driver, tables);
  const db = driver.toDatabase(tables);
  const { words } = tables;
  const values = ["100%", "1000", "a_b", "axb", "back\\slash", "A_b"];
  await db.insert(words).values(values.map((word) => ({ word })));
  const found = async (where: ReturnType<typeof like>) =>
    (await db.select({ word: words.word }).from(words).where(where)).map(({ word }) => word).toSorted();
  expect(await found(like(words.word, "100\\%"))).toEqual(["100%"]);
  expect(await found(like(words.word, "a\\_b"))).toEqual(["a_b"]);
  expect(await found(like(words.word, "a_b"))).toEqual(["a_b", "axb"]);
  expect(await found(like(words.word, "back\\\\%"))).toEqual(["back\\slash"]);
  expect(await found(notLike(words.word, "a\\_b"))).toEqual(
    values.filter((value) => value !== "a_b").toSorted(),
  );
  expect(await found(like(sql`lower(${words.word})`, "a\\_b"))).toEqual(["A_b", "a_b"]);
});

testOnDialect("mysql", "new tables compare as those that are there", async ({ driver }) => {
  const collationOf = async (table: string) => {
    const [row] = await driver
      .toDatabase({})
      .execute(
        sql`select table_collation as collation from information_schema.tables where table_schema = database() and table_name = ${table}`,
      );
    return row?.["collation"];
  };
  const create = (name: string, rest = "") =>
    driver.migrate((connection) =>
      connection.run(
        `create table ${name} (a varchar(20) default 'collate utf8mb4_bin') default character set utf8mb4 collate utf8mb4_bin${rest}`,
      ),
    );
  await create("before_it");
  const [row] = await driver.toDatabase({}).execute(sql`select @@collation_connection as name`);
  expect(await collationOf("before_it")).toBe(row?.["name"]);
  expect(row?.["name"]).not.toBe("utf8mb4_bin");
  await driver
    .toDatabase({})
    .execute(
      sql`create table xcore_migrations (owner varchar(64)) default character set utf8mb4 collate utf8mb4_bin`,
    );
  await create("after_it");
  expect(await collationOf("after_it")).toBe("utf8mb4_bin");
  await driver.toDatabase({}).execute(sql`insert into after_it values ()`);
  expect(await driver.toDatabase({}).execute(sql`select a from after_it`)).toEqual([
    { a: "collate utf8mb4_bin" },
  ]);
});
