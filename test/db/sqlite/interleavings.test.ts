import { Database } from "bun:sqlite";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { sql } from "drizzle-orm";
import { expect, test } from "bun:test";
import pino from "pino";
import { toSqliteFault } from "../../../src/db/sqlite/connection/faults.ts";
import { openSqlite } from "../../../src/db/sqlite/driver.ts";
import { TestFolder } from "../../setup.ts";

/**
 * Programs of statements, transactions, reads and failures of every kind, at random, are run on a database in which
 * writes share commits, many at a time, and on a model: plain SQLite, one after another in the order in which they were
 * begun. Each must come to the same, and so must the tables.
 */
const PROGRAMS = Number(process.env["INTERLEAVINGS"] ?? 20);
const STEPS = 60;

const schema = (isDeferred: boolean) => [
  "create table parents (id integer primary key, name text unique on conflict rollback)",
  `create table items (id integer primary key, name text not null unique, n integer not null default 0 check (n >= 0),
    parent_id integer references parents (id) on delete ${isDeferred ? "restrict" : "cascade"})`,
  `create table notes (id integer primary key, item_id integer references items (id) on delete set null
    ${isDeferred ? "deferrable initially deferred" : ""}, text text)`,
  `create trigger refusing before insert on items begin
    select case new.name when 'rollback' then raise(rollback, 'r') when 'abort' then raise(abort, 'a')
      when 'fail' then raise(fail, 'f') when 'ignore' then raise(ignore) end; end`,
  `create trigger noting after update of n on items begin insert into notes (item_id, text) values (new.id, old.n); end`,
];
const TABLES = ["parents", "items", "notes"];
const DEFER = "pragma defer_foreign_keys = on";
const READ = "select count(*) as count, sum(n) as sum, max(id) as last from items";

type Step =
  | { readonly kind: "write" | "read"; readonly text: string }
  | { readonly kind: "transaction"; readonly texts: readonly string[]; readonly isKept: boolean }
  | { readonly kind: "execute"; readonly text: string };
interface Program {
  readonly isDeferred: boolean;
  readonly durability: "full" | "normal";
  /** What is begun in one turn, and whether it is awaited before the next. */
  readonly turns: readonly { readonly steps: readonly Step[]; readonly isAwaited: boolean }[];
}

/** Mulberry32: the same numbers for the same seed. */
class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed;
  }

  /** A whole number from 0 up to, and without, `limit`. */
  below(limit: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit;
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!;
  }
}

function toProgram(random: Random): Program {
  const turns: Program["turns"][number][] = [];
  for (let left = STEPS; left > 0;) {
    const count = Math.min(left, 1 + random.below(12));
    turns.push({
      steps: Array.from({ length: count }, () => toSteps(random)).flat(),
      isAwaited: random.below(3) > 0,
    });
    left -= count;
  }
  return { isDeferred: random.below(3) === 0, durability: random.pick(["full", "normal"]), turns };
}

/** What refers to a row that is there a moment later: refused where each has its own commit. */
function toHealing(random: Random): Step[] {
  const id = 100 + random.below(1000);
  const parts: Step[] = [
    { kind: "write", text: `insert into notes (item_id) values (${id})` },
    { kind: "write", text: `insert or ignore into items (id, name) values (${id}, 'h${id}')` },
  ];
  return random.below(2) === 0 ? parts : [{ kind: "execute", text: DEFER }, ...parts];
}

function toSteps(random: Random): Step[] {
  return random.below(12) === 0 ? toHealing(random) : [toStep(random)];
}

function toStep(random: Random): Step {
  const kind = random.below(20);
  if (kind === 0) {
    const texts = Array.from({ length: 1 + random.below(4) }, () => toWrite(random));
    return { kind: "transaction", texts, isKept: random.below(4) > 0 };
  }
  if (kind === 1) return { kind: "read", text: READ };
  if (kind === 2) return { kind: "execute", text: toExecuted(random) };
  return { kind: "write", text: toWrite(random) };
}

function toExecuted(random: Random): string {
  return random.pick([
    "create table if not exists extras (id integer primary key)",
    "drop table if exists extras",
    DEFER,
    // Full: no page is left, and there is room again.
    "pragma max_page_count = 1",
    "pragma max_page_count = 100000",
    "insert into parents (id) values (null); commit",
    "begin",
    "commit",
    "nonsense",
  ]);
}

function toWrite(random: Random): string {
  const id = random.below(30);
  const name = random.pick([
    "'a'",
    "'b'",
    "'c'",
    `'n${id}'`,
    `'n${id}'`,
    "null",
    "'rollback'",
    "'abort'",
    "'fail'",
    "'ignore'",
  ]);
  const parent = random.pick(["null", "null", String(random.below(6))]);
  const on = random.pick(["", "", "", "or rollback", "or abort", "or fail", "or ignore", "or replace"]);
  const row = (): string => `('n${random.below(30)}', ${random.below(9) - 1}, ${parent})`;
  return random.pick([
    `insert ${on} into parents (id, name) values (${random.below(6)}, 'p${random.below(4)}')`,
    `insert ${on} into items (id, name, parent_id) values (${id}, ${name}, ${parent})`,
    `insert ${on} into items (name, n, parent_id) values ${row()}, ${row()}, ${row()} returning id, name`,
    `replace into items (id, name) values (${id}, ${name}) returning *`,
    `insert into items (name, n) values ('n${id}', ${random.below(3) - 1}) on conflict (name) do update set n = n + 1 returning n`,
    `update ${on} items set n = n - ${random.below(3)} where id % 3 = ${random.below(3)}`,
    `update ${on} items set name = 'n${random.below(30)}' where id = ${id} returning name`,
    `with few as (select id from items order by id limit 2) delete from items where id in (select id from few) returning id`,
    `delete from parents where id = ${random.below(6)}`,
    `insert into notes (item_id, text) values (${random.pick(["null", String(id)])}, '${"x".repeat(random.below(900))}')`,
    `update notes set item_id = ${id} where id = (select max(id) from notes) returning id`,
    `delete from notes where id % 4 = ${random.below(4)}`,
  ]);
}

type Outcome = { readonly rows: unknown } | { readonly error: string };
class Refusal extends Error {}

function toOutcome(error: unknown, text: string): Outcome {
  if (error instanceof Refusal || error instanceof TypeError) return { error: error.constructor.name };
  const fault = toSqliteFault(error, { sql: text }) as Record<string, unknown>;
  return { error: `${String(fault["fault"])} ${String(fault["constraint"])}` };
}

/** What comes of a program where everything has its turn. */
class Model implements Disposable {
  readonly #database: Database;
  /** A connection of its own: what is deferred to the next commit would end with a read. */
  readonly #reader: Database;
  readonly outcomes: Outcome[] = [];
  /** What a read gives before the first step, and after each. */
  readonly readings: unknown[] = [];

  constructor(file: string, isDeferred: boolean) {
    this.#database = new Database(file, { create: true, readwrite: true });
    const settings = ["pragma journal_mode = wal", "pragma synchronous = off", "pragma foreign_keys = on"];
    for (const statement of [...settings, ...schema(isDeferred)]) this.#database.run(statement);
    this.#reader = new Database(file, { readonly: true });
    this.#read();
  }

  get tables(): string {
    return readTables(this.#reader);
  }

  run(step: Step): void {
    if (step.kind === "read") this.outcomes.push({ rows: null });
    else this.outcomes.push(step.kind === "transaction" ? this.#transact(step) : this.#runAlone(step));
    this.#read();
  }

  [Symbol.dispose](): void {
    this.#reader.close();
    this.#database.close();
  }

  #read(): void {
    this.readings.push(this.#reader.query(READ).all());
  }

  #runAlone({ kind, text }: { readonly kind: string; readonly text: string }): Outcome {
    if (kind === "execute" && text === "commit") return { error: "TypeError" }; // refused by its text
    try {
      const rows = this.#all(text);
      if (kind !== "execute" || !this.#database.inTransaction) return { rows };
      this.#database.run("rollback");
      return { error: "TypeError" };
    } catch (error) {
      return toOutcome(error, text);
    }
  }

  /** Goes on after a statement that failed, unless that has ended the transaction. */
  #transact({ texts, isKept }: { readonly texts: readonly string[]; readonly isKept: boolean }): Outcome {
    this.#all("begin immediate");
    for (const text of texts) {
      const outcome = this.#runAlone({ kind: "write", text });
      if (!this.#database.inTransaction) return isKept ? outcome : { error: "Refusal" };
    }
    if (!isKept) {
      this.#all("rollback");
      return { error: "Refusal" };
    }
    const outcome = this.#runAlone({ kind: "write", text: "commit" });
    if (this.#database.inTransaction) this.#all("rollback");
    return "error" in outcome ? outcome : { rows: null };
  }

  #all(text: string): unknown {
    const statement = this.#database.prepare(text);
    try {
      return statement.all();
    } finally {
      statement.finalize();
    }
  }
}

/** A read, with how many steps had ended before it, and begun when it ended. */
interface Reading {
  readonly rows: unknown;
  readonly ended: number;
  readonly begun: number;
}

function readTables(database: Database): string {
  return JSON.stringify(TABLES.map((table) => database.query(`select * from ${table} order by id`).all()));
}

/** Runs a program with many steps at once. @returns what came of each, and the tables at the end */
async function runTogether(file: string, { isDeferred, durability, turns }: Program) {
  const driver = await openSqlite({ file, log: pino({ level: "silent" }), echo: false, durability });
  const db = driver.toDatabase({});
  await driver.migrate(async (connection) => {
    for (const statement of schema(isDeferred)) await connection.run(statement);
  });
  const outcomes: Promise<Outcome>[] = [];
  const readings: Reading[] = [];
  const hasEnded: boolean[] = [];
  const read = async (): Promise<Outcome> => {
    const ended = [...hasEnded, false].indexOf(false);
    const rows = await db.execute(sql.raw(READ));
    readings.push({ rows, ended, begun: outcomes.length });
    return { rows };
  };
  const begin = async (step: Step): Promise<Outcome> => {
    if (step.kind === "read") return read();
    if (step.kind !== "transaction") {
      return db.execute(sql.raw(step.text)).then(
        (rows) => ({ rows }),
        (error: unknown) => toOutcome(error, step.text),
      );
    }
    const work = db.transaction(async (tx) => {
      for (const text of step.texts) {
        await tx.execute(sql.raw(text)).catch(() => {});
        if (text.length % 2 === 0) await setImmediate();
      }
      if (!step.isKept) throw new Refusal();
      return null;
    });
    return work.then(
      (rows) => ({ rows }),
      (error: unknown) => toOutcome(error, "commit"),
    );
  };
  for (const { steps, isAwaited } of turns) {
    for (const step of steps) {
      const index = outcomes.length;
      hasEnded[index] = false;
      outcomes.push(begin(step).finally(() => (hasEnded[index] = true)));
    }
    if (isAwaited) await Promise.all(outcomes);
    else await setImmediate();
  }
  const settled = await Promise.all(outcomes);
  await driver.close();
  using database = new Database(file, { readonly: true });
  const integrity = database.query("pragma integrity_check").all();
  return { outcomes: settled, readings, tables: readTables(database), integrity };
}

const SEED = Number(process.env["INTERLEAVINGS_SEED"] ?? Math.floor(Math.random() * 2 ** 31));

test("statements, reads, transactions and failures at once come to what they come to one after another", async () => {
  for (let number = 0; number < PROGRAMS; number += 1) {
    const seed = SEED + number;
    const program = toProgram(new Random(seed));
    await using folder = await TestFolder.create();
    using model = new Model(join(folder.path, "model.db"), program.isDeferred);
    const steps = program.turns.flatMap((turn) => turn.steps);
    for (const step of steps) model.run(step);
    const { outcomes, readings, tables, integrity } = await runTogether(join(folder.path, "app.db"), program);
    const told = `INTERLEAVINGS_SEED=${seed}`;
    for (const [index, step] of steps.entries()) {
      if (step.kind !== "read")
        expect([told, index, step, outcomes[index]]).toEqual([told, index, step, model.outcomes[index]!]);
    }
    // A read doesn't wait for a transaction that is open, but sees all that had ended, and nothing half done.
    for (const { rows, ended, begun } of readings) {
      expect([told, model.readings.slice(ended, begun + 1)]).toEqual([told, expect.arrayContaining([rows])]);
    }
    expect([told, tables]).toEqual([told, model.tables]);
    expect([told, integrity]).toEqual([told, [{ integrity_check: "ok" }]]);
  }
}, 120_000);
