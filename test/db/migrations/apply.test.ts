import { join } from "node:path";
import { expect } from "bun:test";
import pino from "pino";
import { applyMigrations } from "../../../src/db/migrations/apply.ts";
import { MigrationError } from "../../../src/db/migrations/error.ts";
import { readMigrations } from "../../../src/db/migrations/files.ts";
import { planWithdrawal } from "../../../src/db/migrations/generate/withdraw.ts";
import { migrationStatus } from "../../../src/db/migrations/status.ts";
import { type DialectTest, testOnDialect, testOnEachDialect } from "../../database-servers.ts";
import { MigrationProject } from "./migration-project.ts";

const BREAK = "\n--> statement-breakpoint\n";
const create = (name: string): string => `create table ${name} (id integer primary key)`;

/** Migrations of a plugin that are written by hand, for the test's dialect. */
class HandWritten extends MigrationProject {
  readonly #test: DialectTest;

  constructor(test: DialectTest, owner = "blog") {
    super(test, owner);
    this.#test = test;
  }

  async write(name: string, ...statements: string[]): Promise<void> {
    const file = `${this.owner}/drizzle/${this.#test.dialect}/${name}.sql`;
    await this.#test.folder.write({ [file]: statements.join(BREAK) });
  }

  remove(name: string): Promise<void> {
    return this.#test.folder.remove(`${this.owner}/drizzle/${this.#test.dialect}/${name}.sql`);
  }

  async failure(): Promise<MigrationError> {
    const error: unknown = await this.apply().then(
      () => null,
      (reason: unknown) => reason,
    );
    if (error instanceof MigrationError) return error;
    throw new Error(`Not a MigrationError: ${String(error)}`);
  }

  async states(): Promise<string[]> {
    const status = await migrationStatus(this.#test.driver, {
      owner: this.owner,
      migrations: await this.read(),
    });
    return status.map(({ name, state }) => `${name} ${state}`);
  }

  async has(table: string): Promise<boolean> {
    return this.run(`select * from ${table}`).then(
      () => true,
      () => false,
    );
  }
}

testOnEachDialect("applyMigrations() applies each migration once, in order", async (context) => {
  const project = new HandWritten(context);
  expect(await project.apply()).toEqual([]);
  await project.write("0000_first", create("one"), "insert into one (id) values (1)");
  await project.write("0001_second", "insert into one (id) select id + 1 from one");
  expect(await project.states()).toEqual(["0000_first pending", "0001_second pending"]);
  expect(await project.apply()).toEqual(["0000_first", "0001_second"]);
  expect(await project.apply()).toEqual([]);
  await project.write("0002_third", "insert into one (id) values (9)");
  expect(await project.apply()).toEqual(["0002_third"]);
  expect(await project.values("select id from one order by id")).toEqual([["1"], ["2"], ["9"]]);
  expect(await project.states()).toEqual(["0000_first applied", "0001_second applied", "0002_third applied"]);
});

testOnDialect("mysql", "what a killed process has taken back isn't taken back again", async (context) => {
  const project = new HandWritten(context);
  const kept = "create table kept (id integer primary key, name varchar(9))";
  const changes = "alter table kept add constraint `c` check (id > 0), add index `i` (name)";
  await project.write("0000_bad", kept, changes, "create nonsense");
  await project.failure();
  await project.run("alter table kept drop index i, drop constraint c");
  await project.run("drop table kept");
  const { driver } = context;
  const withdrawal = await planWithdrawal(driver, { owner: "blog", folder: project.folder });
  expect(withdrawal.takenBack).toEqual([
    "ALTER TABLE `kept` DROP INDEX `i`, DROP CONSTRAINT `c`",
    "DROP TABLE `kept`",
  ]);
  await withdrawal.run();
  expect(await project.states()).toEqual([]);
  expect(await project.values("select count(*) from xcore_tables")).toEqual([["0"]]);
});

testOnEachDialect("applyMigrations() asks one question when nothing is pending", async (context) => {
  const project = new HandWritten(context);
  await project.write("0000_first", create("one"));
  await project.apply();
  const { driver } = context;
  let queries = 0;
  const counting = {
    dialect: driver.dialect,
    toDatabase(schema: object) {
      queries++;
      return driver.toDatabase({ ...schema });
    },
    migrate: () => Promise.reject(new Error("It took the lock")),
  };
  const migrations = await project.read();
  const options = { owner: "blog", migrations, log: pino({ level: "silent" }) };
  expect(await applyMigrations(counting as never, options)).toEqual({ applied: [] });
  expect(queries).toBe(1);
});

testOnEachDialect(
  "a migration that fails half-way names its statement, and nothing of it is lost",
  async (context) => {
    const project = new HandWritten(context);
    const isTransactional = context.dialect !== "mysql";
    await project.write("0000_good", create("good"));
    await project.write("0001_bad", create("kept"), "create nonsense", create("late"));
    const error = await project.failure();
    expect(error).toMatchObject({
      owner: "blog",
      migration: "0001_bad",
      statementNumber: 2,
      statement: "create nonsense",
    });
    expect(error.fault).toBe("syntax");
    const file = join(project.folder, context.dialect, "0001_bad.sql");
    expect(error.message).toStartWith(
      `Cannot apply migration "${file}" of "blog": statement 2 (create nonsense): `,
    );
    expect(error.message).toEndWith(
      isTransactional
        ? "; nothing of it was kept"
        : "; its first 1 statement took effect: leave them as they are, correct the rest, and it goes on at statement 2; or take them back with xcore db generate blog --undo",
    );
    expect(await project.has("good")).toBeTrue();
    expect(await project.has("kept")).toBe(!isTransactional);
    expect(await project.states()).toEqual([
      "0000_good applied",
      `0001_bad ${isTransactional ? "pending" : "partial"}`,
    ]);
    await project.write("0001_bad", create("kept"), create("late"));
    expect(await project.apply()).toEqual(["0001_bad"]);
    expect(await project.has("late")).toBeTrue();
    expect(await project.values("select name from xcore_tables order by name")).toEqual([
      ["good"],
      ["kept"],
      ["late"],
    ]);
  },
);

testOnEachDialect("what took effect of a failed migration can't be edited or taken away", async (context) => {
  const project = new HandWritten(context);
  await project.write("0000_bad", create("kept"), "create nonsense");
  await project.failure();
  await project.write("0000_bad", create("other"), create("late"));
  if (context.dialect !== "mysql") {
    expect(await project.apply()).toEqual(["0000_bad"]);
    return;
  }
  expect((await project.failure()).message).toContain(
    "its first 1 statement took effect and differ from the file now; restore them and change only what follows",
  );
  expect(await project.states()).toEqual(["0000_bad changed"]);
  await project.remove("0000_bad");
  expect((await project.failure()).message).toContain(
    '"0000_bad" took effect in part (1 statement) and its file is gone',
  );
});

testOnEachDialect("an applied file that was edited is refused, whatever follows", async (context) => {
  const project = new HandWritten(context);
  await project.write("0000_first", create("one"));
  await project.apply();
  await project.write("0000_first", `${create("one")} -- edited`);
  await project.write("0001_second", create("two"));
  const error = await project.failure();
  const file = join(project.folder, context.dialect, "0000_first.sql");
  expect(error.message).toBe(
    `Cannot apply the migrations of "blog": "${file}" was edited after it had been applied; restore it and write a new migration`,
  );
  expect(await project.has("two")).toBeFalse();
  expect(await project.states()).toEqual(["0000_first changed", "0001_second pending"]);
  await project.write("0000_first", create("one"));
  expect(await project.apply()).toEqual(["0001_second"]);
});

testOnEachDialect("an applied migration whose file is gone is a warning", async (context) => {
  const project = new HandWritten(context);
  await project.write("0000_first", create("one"));
  await project.write("0001_second", create("two"));
  await project.apply();
  await project.remove("0001_second");
  const lines: string[] = [];
  const log = pino({ level: "warn" }, { write: (line: string) => void lines.push(line) });
  const migrations = await project.read();
  expect(await applyMigrations(context.driver, { owner: "blog", migrations, log })).toEqual({ applied: [] });
  expect(lines.join("")).toContain(
    'migration \\"0001_second\\" of \\"blog\\" was applied, but its file is gone',
  );
  expect(await project.states()).toEqual(["0000_first applied", "0001_second missing"]);
});

testOnEachDialect(
  "tables of another owner can't be created, altered, renamed or dropped",
  async (context) => {
    const shop = new HandWritten(context, "shop");
    await shop.write("0000_create", create("orders"));
    await shop.apply();
    const project = new HandWritten(context);
    const statements = {
      create: "create table if not exists orders (id integer)",
      alter: "ALTER TABLE Orders ADD note integer",
      drop: "drop table if exists orders",
      rename: "alter table notes rename to orders",
    };
    for (const [action, statement] of Object.entries(statements)) {
      // oxlint-disable-next-line no-await-in-loop -- one attempt after another
      await project.write("0000_first", create("notes"), statement);
      // oxlint-disable-next-line no-await-in-loop
      const error = await project.failure();
      expect(error.message).toEndWith(`statement 2 would ${action} table "orders", which belongs to "shop"`);
      expect(error).toMatchObject({ statementNumber: 2, statement });
    }
    expect(await project.has("notes")).toBeFalse();
    await project.write("0000_first", "drop table xcore_migrations");
    expect((await project.failure()).message).toContain('which belongs to "xcore"');
  },
);

testOnEachDialect("text in a migration is no statement and no parameter", async (context) => {
  const project = new HandWritten(context);
  const text = "a; drop table xcore_tables; -- ? $1 :x";
  await project.write(
    "0000_first",
    "create table one (note varchar(80))",
    `insert into one (note) values ('${text}')`,
  );
  await project.apply();
  expect(await project.values("select note from one")).toEqual([[text]]);
});

testOnEachDialect("rows that break a foreign key at the end undo the migration", async (context) => {
  const project = new HandWritten(context);
  const key = "constraint fk_child foreign key (parent_id) references parent (id)";
  await project.write("0000_first", create("parent"), `create table child (parent_id integer, ${key})`);
  await project.apply();
  await project.write(
    "0001_second",
    "insert into parent (id) values (1)",
    "insert into child (parent_id) values (99)",
  );
  const error = await project.failure();
  expect(error.message).toContain("Cannot apply migration");
  expect(await project.values("select * from child")).toEqual([]);
});

testOnEachDialect("a table that another owner's refers to can't be dropped", async (context) => {
  const project = new HandWritten(context);
  await project.write("0000_first", create("parent"));
  await project.apply();
  const shop = new HandWritten(context, "shop");
  const key = "constraint fk_child foreign key (parent_id) references parent (id)";
  await shop.write("0000_first", `create table child (parent_id integer, ${key})`);
  await shop.apply();
  await project.write("0001_second", "drop table parent");
  expect((await project.failure()).message).toContain("Cannot apply migration");
  expect(await project.has("parent")).toBeTrue();
  expect(await project.values("select name from xcore_tables order by name")).toEqual([
    ["child"],
    ["parent"],
  ]);
});

async function startProcess(context: DialectTest, project: HandWritten, ...death: string[]) {
  const script = join(import.meta.dir, "migrating-process.ts");
  const child = Bun.spawn([process.execPath, script, context.url, project.folder, ...death], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const reader = child.stdout.getReader();
  const { value } = await reader.read();
  expect(new TextDecoder().decode(value)).toBe("ready\n");
  return {
    go: async () => child.stdin.end(),
    /** What it printed, or the signal that ended it. */
    async finish(): Promise<string> {
      let text = "";
      // oxlint-disable-next-line no-await-in-loop -- as it comes
      for (let part = await reader.read(); !part.done; part = await reader.read()) {
        text += new TextDecoder().decode(part.value);
      }
      await child.exited;
      return child.signalCode === null ? text : String(child.signalCode);
    },
  };
}

testOnEachDialect("processes that start at once apply each migration once", async (context) => {
  const project = new HandWritten(context);
  await project.write("0000_first", create("one"), "insert into one (id) values (1)");
  await project.write("0001_second", "insert into one (id) select id + 1 from one", create("two"));
  const children = await Promise.all([1, 2, 3].map(() => startProcess(context, project)));
  await Promise.all(children.map((child) => child.go()));
  const outputs = await Promise.all(children.map((child) => child.finish()));
  expect(outputs.toSorted()).toEqual(['["0000_first","0001_second"]\n', "[]\n", "[]\n"]);
  expect(await project.values("select id from one order by id")).toEqual([["1"], ["2"]]);
});

for (const moment of ["before", "after"]) {
  testOnEachDialect(
    `a process killed ${moment} a statement is followed by one that goes on`,
    async (context) => {
      const project = new HandWritten(context);
      const statements = [
        create("one"),
        "insert into one (id) values (1)",
        "alter table one add note varchar(10)",
        "update one set note = 'x'",
        "alter table one rename to two",
        "insert into two (id, note) values (2, 'y')",
        "drop table two",
        create("three"),
      ];
      await project.write("0000_first", ...statements);
      for (const statement of statements) {
        // oxlint-disable-next-line no-await-in-loop -- one process after another
        const child = await startProcess(context, project, moment, statement);
        // oxlint-disable-next-line no-await-in-loop
        await child.go();
        // oxlint-disable-next-line no-await-in-loop
        expect(await child.finish()).toBe("SIGKILL");
      }
      expect(await project.states()).toEqual([
        `0000_first ${context.dialect === "mysql" ? "partial" : "pending"}`,
      ]);
      expect(await project.apply()).toEqual(["0000_first"]);
      expect(await project.values("select name, owner from xcore_tables")).toEqual([["three", "blog"]]);
      expect([await project.has("one"), await project.has("two"), await project.has("three")]).toEqual([
        false,
        false,
        true,
      ]);
    },
    120_000,
  );
}

testOnEachDialect(
  "readMigrations() of another checkout with other line ends is the same",
  async (context) => {
    const project = new HandWritten(context);
    await project.write("0000_first", "create table one (\n  id integer\n)");
    await project.apply();
    await project.write("0000_first", "create table one (\r\n  id integer\r\n)");
    expect(await project.apply()).toEqual([]);
    expect(await readMigrations(join(context.folder.path, "nothing"), context.dialect)).toEqual([]);
  },
);

testOnEachDialect("applyMigrations() refuses what would end its transaction", async (context) => {
  const project = new HandWritten(context);
  await project.write("0000_first", create("one"), "commit;", create("one"));
  expect((await project.failure()).message).toContain(`statement 2 has "commit"`);
  expect(await project.has("one")).toBe(false);
  expect(await project.states()).toEqual(["0000_first pending"]);
});

/** Mistakes in statements, and what each database says of them. */
const MISTAKES: Readonly<Record<string, [statement: string, reason: string]>> = {
  "a column that isn't there is dropped": ["alter table kids drop column nope", 'Cannot query column "nope"'],
  "a column that isn't there is indexed": ["create index i on kids (nope)", 'Cannot query column "nope"'],
  "a table that isn't there is changed": ["alter table nope add a integer", 'Cannot query table "nope"'],
  "rows have the same values": [
    "create unique index kids_title on kids (title)",
    'a row with the same "title" exists',
  ],
  "a table that is referred to is dropped": [
    "drop table parents",
    'Cannot drop table "parents": table "kids" refers to it',
  ],
};

for (const [what, [statement, reason]] of Object.entries(MISTAKES)) {
  testOnEachDialect(`each database says alike why a migration fails: ${what}`, async (context) => {
    const project = new HandWritten(context);
    const key = "constraint kids_parent foreign key (parent_id) references parents (id)";
    await project.write(
      "0000_good",
      create("parents"),
      `create table kids (title varchar(20), parent_id integer, ${key})`,
      "insert into kids (title) values ('x'), ('x')",
    );
    await project.apply();
    await project.write("0001_bad", statement);
    const { message } = await project.failure();
    // MariaDB doesn't say which table refers to one.
    expect(message.replace("another table refers", 'table "kids" refers')).toContain(reason);
    expect(message).toEndWith("; nothing of it was kept");
    expect(await project.states()).toEqual(["0000_good applied", "0001_bad pending"]);
    await project.remove("0001_bad");
    expect(await project.apply()).toEqual([]);
  });
}
