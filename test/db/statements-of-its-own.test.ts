import { sql } from "drizzle-orm";
import { expect } from "bun:test";
import { createBlog } from "./blog-tables.ts";
import { failureOf } from "./failures.ts";
import { testOnDialect, testOnEachDialect } from "../database-servers.ts";
import { openLogged } from "../faults/ledger.ts";

const CONTROL = [
  "begin",
  "COMMIT",
  "rollback",
  "/* quiet */ begin",
  "-- quiet\n start transaction",
  " ; commit",
  "savepoint a",
  "release savepoint a",
];

testOnEachDialect(
  "a statement that begins or ends a transaction is refused, and nobody's writes are lost",
  async ({ driver, url }) => {
    const { db, authors } = await createBlog(driver);
    for (const text of CONTROL) {
      expect(await failureOf(db.execute(sql.raw(text)))).toBeInstanceOf(TypeError);
    }
    await db.insert(authors).values({ email: "kept@x" });
    const transaction = db.transaction(async (tx) => {
      await tx.insert(authors).values({ email: "undone@x" });
      for (const text of CONTROL) {
        expect(await failureOf(tx.execute(sql.raw(text)))).toBeInstanceOf(TypeError);
      }
      await tx.insert(authors).values({ email: "undone too@x" });
      throw new Error("undo");
    });
    expect(await failureOf(transaction)).toMatchObject({ message: "undo" });
    const { driver: other } = await openLogged(url);
    const rows = await other.toDatabase({}).select({ email: authors.email }).from(authors);
    expect(rows).toEqual([{ email: "kept@x" }]);
    await other.close();
  },
);

testOnDialect("mysql", "a transaction takes no statement before which MySQL commits", async ({ driver }) => {
  const { db, authors } = await createBlog(driver);
  const transaction = db.transaction(async (tx) => {
    await tx.insert(authors).values({ email: "undone@x" });
    const error = await failureOf(tx.execute(sql`create table made (id integer)`));
    expect(String(error)).toContain("MySQL would commit what was written before it");
    await tx.execute(sql`create temporary table passing (id integer)`);
    throw error;
  });
  expect(await failureOf(transaction)).toBeInstanceOf(TypeError);
  expect(await db.$count(authors)).toBe(0);
});

const SETTINGS = {
  postgres: [
    "set default_transaction_read_only = on",
    "set session characteristics as transaction read only",
  ],
  mysql: ["set session transaction read only", "set autocommit = 0", "lock tables authors read"],
} as const;

for (const dialect of ["postgres", "mysql"] as const) {
  testOnDialect(
    dialect,
    "what a statement sets on its connection nobody else gets",
    async ({ driver, url }) => {
      const { db, authors } = await createBlog(driver);
      for (const text of SETTINGS[dialect]) {
        await db.execute(sql.raw(text));
        await db.insert(authors).values({ email: `${text}@x` });
        await db.transaction(async (tx) => void (await tx.execute(sql.raw(text)).catch(() => {})));
        await db.insert(authors).values({ email: `${text} again@x` });
      }
      const { driver: other } = await openLogged(url);
      expect(await other.toDatabase({}).$count(authors)).toBe(SETTINGS[dialect].length * 2);
      await other.close();
    },
  );
}
