import { sql } from "drizzle-orm";
import { existsSync } from "node:fs";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "bun:test";
import { packBackup, unpackBackup } from "../../../src/db/backup/archive.ts";
import { type Dialect, DIALECTS } from "../../../src/db/contract/driver.ts";
import { testWithServer } from "../../database-servers.ts";
import { BackupTest } from "./backup-project.ts";

const MEMBERS = { sqlite: "database.sqlite", postgres: "database.dump", mysql: "database.sql" };

function toPostgresThings(prefix: string): string[] {
  return [
    `create schema ${prefix}_schema`,
    `create type ${prefix}_kind as enum ('a', 'b')`,
    `create table ${prefix}_schema."Odd ""name" (id serial primary key, kind ${prefix}_kind, order_id bigint references orders)`,
    `create sequence ${prefix}_counter start 42`,
    `create function ${prefix}_twice(n bigint) returns bigint language sql as 'select n * 2'`,
    `create view ${prefix}_view as select id, ${prefix}_twice(id) as twice from orders`,
    `create materialized view ${prefix}_summary as select count(*) as n from orders`,
    `create domain ${prefix}_positive as integer check (value > 0)`,
  ];
}

function toMysqlThings(prefix: string): string[] {
  return [
    `create table \`${prefix} \`\`odd\` (id integer primary key auto_increment, bytes blob, order_id bigint, foreign key (order_id) references orders (id))`,
    `create view ${prefix}_view as select id from orders`,
    `create trigger ${prefix}_trigger before insert on \`${prefix} \`\`odd\` for each row set new.bytes = x'00ff5c27'`,
  ];
}

/** Packs a backup whose manifest is right and whose dump is what somebody made of it. */
async function forge(
  project: BackupTest,
  change: (dump: Buffer) => string | Buffer,
  dialect = project.dialect,
) {
  const { folder } = project;
  const { file } = await project.backup();
  await folder.write({ "unpacked/.keep": "" });
  const { paths } = await unpackBackup(file, join(folder.path, "unpacked"));
  const [dump = ""] = paths.values();
  await writeFile(join(folder.path, "forged"), change(await readFile(dump)));
  const forged = join(folder.path, "forged.tar.gz");
  await packBackup(forged, [{ name: MEMBERS[dialect], path: join(folder.path, "forged") }], {
    xcore_version: "1.0.0",
    dialect,
    created_at: new Date().toISOString(),
    plugins: [],
  });
  return forged;
}

const OTHERS: Readonly<Record<Dialect, Dialect>> = { sqlite: "mysql", postgres: "sqlite", mysql: "postgres" };

for (const dialect of DIALECTS) {
  testWithServer(dialect, `a backup of another database is refused (${dialect})`, 120_000, async () => {
    await using project = await BackupTest.create(dialect);
    const other = OTHERS[dialect];
    const forged = await forge(project, (dump) => dump, other);
    expect(project.restore(forged)).rejects.toThrow(
      `it is a backup of ${other}, and "database.url" names ${dialect}`,
    );
  });

  testWithServer(
    dialect,
    `a damaged dump is refused before anything changes (${dialect})`,
    120_000,
    async () => {
      await using project = await BackupTest.create(dialect);
      const damages: ((dump: Buffer) => Buffer)[] = [
        (dump) => dump.subarray(0, Math.floor(dump.length / 2)),
        () => Buffer.from("something else"),
      ];
      for (const damage of damages) {
        // oxlint-disable no-await-in-loop -- one after another
        const forged = await forge(project, damage);
        await project.close();
        const before = await readdir(project.project.dataDirectory);
        const error: unknown = await project.restore(forged).catch((thrown: unknown) => thrown);
        expect(error).toMatchObject({ name: "DatabaseError" });
        expect(await readdir(project.project.dataDirectory)).toEqual(before);
        expect((await project.read()).payments).toHaveLength(50);
        await project.folder.remove("unpacked");
        await project.folder.remove("forged.tar.gz");
        // oxlint-enable no-await-in-loop
      }
      expect(await project.listLeftovers()).toEqual([]);
    },
  );
}

testWithServer(
  "postgres",
  "whatever a PostgreSQL database holds comes back, nothing else stays",
  120_000,
  async () => {
    await using project = await BackupTest.create("postgres");
    const db = await project.db();
    // oxlint-disable no-await-in-loop -- in order
    for (const statement of toPostgresThings("early")) await db.execute(sql.raw(statement));
    await db.execute(sql`insert into early_schema."Odd ""name" (kind, order_id) values ('b', 7)`);
    const { file } = await project.backup();
    for (const statement of toPostgresThings("late")) await db.execute(sql.raw(statement));
    // oxlint-enable no-await-in-loop
    await db.execute(sql`drop view early_view`);
    await project.restore(file);
    const restored = await project.db();
    const rows = await restored.execute(
      sql`select n.kind::text as kind, v.twice::integer, nextval('early_counter')::integer as next from early_schema."Odd ""name" n join early_view v on v.id = n.order_id`,
    );
    expect(rows).toEqual([{ kind: "b", twice: 14, next: 42 }]);
    const late = await restored.execute(sql`select relname from pg_class where relname like 'late%'
    union all select typname from pg_type where typname like 'late%'
    union all select proname from pg_proc where proname like 'late%'
    union all select nspname from pg_namespace where nspname like 'late%'`);
    expect(late).toEqual([]);
  },
);

testWithServer(
  "mysql",
  "whatever a MySQL database holds comes back, nothing else stays",
  120_000,
  async () => {
    await using project = await BackupTest.create("mysql");
    const db = await project.db();
    // oxlint-disable no-await-in-loop -- in order
    for (const statement of toMysqlThings("early")) await db.execute(sql.raw(statement));
    await db.execute(sql.raw("insert into `early ``odd` (order_id) values (7)"));
    const { file } = await project.backup();
    for (const statement of toMysqlThings("late")) await db.execute(sql.raw(statement));
    // oxlint-enable no-await-in-loop
    await project.restore(file);
    const restored = await project.db();
    const rows = await restored.execute(
      sql.raw(
        "select hex(o.bytes) as bytes, v.id from `early ``odd` o join early_view v on v.id = o.order_id",
      ),
    );
    expect(rows).toEqual([{ bytes: "00FF5C27", id: 7 }]);
    const late = await restored.execute(
      sql`select table_name from information_schema.tables where table_schema = database() and table_name like 'late%'`,
    );
    expect(late).toEqual([]);
  },
);

testWithServer(
  "postgres",
  "a restore that PostgreSQL refuses half-way leaves all as it was",
  120_000,
  async () => {
    await using project = await BackupTest.create("postgres");
    const db = await project.db();
    // The rows of the dump break its own check.
    await db.execute(sql`create function fits(note text) returns boolean language sql as 'select true'`);
    await db.execute(sql`create table zz_refused (secret_note text check (fits(secret_note)))`);
    await db.execute(sql`insert into zz_refused values ('hunter2')`);
    await db.execute(
      sql`create or replace function fits(note text) returns boolean language sql as 'select false'`,
    );
    const { file } = await project.backup();
    await project.addPair(77);
    const before = await project.read();
    const error: unknown = await project.restore(file).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({
      name: "DatabaseError",
      message: expect.stringContaining("violates check"),
    });
    expect(Bun.inspect(error)).not.toContain("hunter2");
    expect(await project.read()).toEqual(before);
  },
);

testWithServer("mysql", "a restore that MySQL refuses half-way is put back", 120_000, async () => {
  await using project = await BackupTest.create("mysql");
  const forged = await forge(project, (dump) =>
    dump
      .toString()
      .replace("-- Dump completed", "insert into payments values ('hunter2');\n-- Dump completed"),
  );
  await project.addPair(77);
  const before = await project.read();
  const error: unknown = await project.restore(forged).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({
    message: expect.stringMatching(/ERROR \d+ .*the database is as it was before$/),
  });
  expect(Bun.inspect(error)).not.toContain("hunter2");
  expect(await project.read()).toEqual(before);
});

testWithServer("mysql", "a dump can't make MySQL's client run programs", 120_000, async () => {
  await using project = await BackupTest.create("mysql");
  const marker = join(project.folder.path, "pwned");
  for (const command of [
    `\\! touch ${marker}`,
    `system touch ${marker}`,
    `source ${marker}`,
    `tee ${marker}`,
  ]) {
    // oxlint-disable no-await-in-loop -- one after another
    const forged = await forge(project, (dump) => `${command}\n${dump.toString()}`);
    await project.restore(forged).catch(() => {});
    expect(existsSync(marker)).toBe(false);
    await project.folder.remove("unpacked");
    await project.folder.remove("forged.tar.gz");
    // oxlint-enable no-await-in-loop
  }
});

for (const [dialect, program] of [
  ["postgres", "pg_dump"],
  ["mysql", "mariadb-dump"],
] as const) {
  testWithServer(dialect, `passwords never stand in arguments (${dialect})`, 120_000, async () => {
    await using project = await BackupTest.create(dialect);
    const password = `p'a"s\\s $(#);%`;
    const name = `u${crypto.randomUUID().slice(0, 8)}`;
    const db = await project.db();
    if (dialect === "postgres") {
      await db.execute(
        sql.raw(`create role ${name} superuser login password '${password.replaceAll("'", "''")}'`),
      );
    } else {
      const literal = password.replaceAll("\\", "\\\\").replaceAll("'", "\\'");
      await db.execute(sql.raw(`create user ${name} identified by '${literal}'`));
      await db.execute(sql.raw(`grant all on *.* to ${name}`));
    }
    // The real program, behind one that notes its arguments.
    const real = Bun.which(program) ?? "";
    await project.folder.write({
      [`bin/${program}`]: `#!/bin/sh\nprintf '%s\\n' "$@" > "$TMPDIR/args"\nexec ${real} "$@"\n`,
    });
    const bin = join(project.folder.path, "bin");
    Bun.spawnSync(["chmod", "+x", join(bin, program)]);
    const env = { PATH: `${bin}:${process.env["PATH"]}`, TMPDIR: project.folder.path };
    try {
      const url = { ...project.serverUrl, user: name, password };
      await project.backup({ url, env });
      const args = await readFile(join(project.folder.path, "args"), "utf8");
      expect(args).not.toContain('a"s');
      expect(args).toMatch(/=/);
    } finally {
      await db.execute(sql.raw(`drop ${dialect === "postgres" ? "role" : "user"} ${name}`));
    }
  });
}
