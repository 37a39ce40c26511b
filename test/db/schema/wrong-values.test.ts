import { and, eq, gt, inArray, ne } from "drizzle-orm";
import { expect } from "bun:test";
import { toClientError } from "../../../src/db/contract/error-codes.ts";
import type { AppError } from "../../../src/errors/errors.ts";
import { DatabaseError } from "../../../src/db/contract/database-error.ts";
import type { Dialect } from "../../../src/db/contract/driver.ts";
import { createSchemaModule } from "../../../src/db/schema/schema.ts";
import { testOnEachDialect } from "../../database-servers.ts";
import { TABLE_MAKERS } from "../table-makers.ts";
import { createTables } from "./created-tables.ts";

const SURROGATE = "\ud800";

/** What each kind of column is given that isn't of its type, or doesn't fit. */
const wrong = {
  boolean: [1, 0, "true", "false", "1", "", "t", 1n, [], {}, new Date(0)],
  integer: [
    "1",
    "",
    "x",
    true,
    1.5,
    2 ** 31,
    -(2 ** 31) - 1,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    1n,
    [1],
    {},
  ],
  bigint: ["1", true, 1.5, 2 ** 53, -(2 ** 53), Number.NaN, 1n, [], {}],
  decimal: [true, "x", "", " 1", "1e3", "1.234", "12345678901234", "NaN", "0x10", "1,5", [], {}, null + "x"],
  text: [1, true, 1n, [], {}, new Date(0), "a\0b", SURROGATE],
  varchar: [1, true, [], {}, "12345678901", "1234567890 ", "a\0", SURROGATE],
  uuid: [1, true, "x", "", "01890a5dac96774bbcceb302099a8057", "{01890a5d-ac96-774b-bcce-b302099a8057}", []],
  timestamp: ["2026-01-31", "now", 0, true, {}, new Date("x"), new Date(8.64e15), new Date(-8.64e15)],
  date: [
    0,
    true,
    "",
    "now",
    "2026-02-30",
    "2026-1-1",
    "1/2/2026",
    "0000-01-01",
    "2026-01-31T00:00:00Z",
    new Date(0),
    [],
  ],
  json: [
    () => 1,
    Symbol("x"),
    1n,
    Number.NaN,
    { a: Number.POSITIVE_INFINITY },
    [undefined],
    new Map(),
    "a\0",
    SURROGATE,
  ],
  status: [1, true, "", "other", "Draft", "draft ", [], {}],
  owner_id: ["1", true, 1.5, 2 ** 53, [], {}],
} as const;

function declareTables(dialect: Dialect) {
  const {
    bigint,
    boolean,
    date,
    decimal,
    enumOf,
    id,
    integer,
    json,
    references,
    table,
    text,
    timestamp,
    uuid,
    varchar,
  } = createSchemaModule(TABLE_MAKERS[dialect]);
  const owners = table("owners", { id: id() });
  const samples = table("samples", {
    id: id(),
    owner_id: references(() => owners.id),
    boolean: boolean(),
    integer: integer(),
    bigint: bigint(),
    decimal: decimal(15, 2),
    text: text(),
    varchar: varchar(10),
    uuid: uuid(),
    timestamp: timestamp(),
    date: date(),
    json: json(),
    status: enumOf(["draft", "sent"]),
  });
  return { owners, samples };
}

/** Of these, the database itself tells what is wrong: a filter takes any text, and finds nothing. */
const tellsItself: Readonly<Record<string, readonly unknown[]>> = {
  varchar: ["12345678901"],
  status: ["", "other", "Draft", "draft "],
};

async function outcome(work: () => PromiseLike<unknown>): Promise<unknown> {
  try {
    await work();
    return "taken";
  } catch (error) {
    if (!(error instanceof DatabaseError)) return error;
    // The client is told 422 for both of these, on the field where it is known.
    expect((toClientError(error) as AppError).status).toBe(422);
    return error.fault;
  }
}

function same<All extends object>(all: All, one: unknown): All {
  return Object.fromEntries(Object.keys(all).map((key) => [key, one])) as All;
}

testOnEachDialect(
  "a value that a column can't have is refused the same wherever it is given",
  async ({ driver }) => {
    const tables = declareTables(driver.dialect);
    await createTables(driver, tables);
    const { samples } = tables;
    const db = driver.toDatabase(tables);
    await db.insert(samples).values({ id: 1 });
    for (const [name, values] of Object.entries(wrong)) {
      const column = samples[name as keyof typeof wrong];
      for (const value of values as readonly unknown[]) {
        const row = { [name]: value } as never;
        const isTold = tellsItself[name]?.includes(value) ?? false;
        const target = samples.id;
        const written = {
          insert: await outcome(() => db.insert(samples).values(row)),
          "insert of several": await outcome(() => db.insert(samples).values([{ id: 2 }, row] as never)),
          update: await outcome(() => db.update(samples).set(row)),
          upsert: await outcome(() =>
            db.insert(samples).values({ id: 1 }).onConflictDoUpdate({ target, set: row }),
          ),
        };
        const filtered = {
          where: await outcome(() =>
            db
              .select()
              .from(samples)
              .where(eq(column as never, value)),
          ),
          "where in": await outcome(() =>
            db
              .select()
              .from(samples)
              .where(inArray(column as never, [value])),
          ),
          "delete where": await outcome(() =>
            db.delete(samples).where(and(gt(samples.id, 1), ne(column as never, value))),
          ),
        };
        const [onWrite, onFilter] = [
          isTold && name === "status" ? "check" : "value",
          isTold ? "taken" : "value",
        ];
        expect({ name, value, ...written }).toEqual({ name, value, ...same(written, onWrite) });
        expect({ name, value, ...filtered }).toEqual({ name, value, ...same(filtered, onFilter) });
      }
    }
    const [row, ...others] = await db.select().from(samples);
    expect([row?.id, others]).toEqual([1, []]);
    expect(Object.values(row ?? {}).filter((value) => value !== null)).toEqual([1]);
  },
);
