import { open } from "node:fs/promises";
import { DatabaseError } from "../contract/database-error.ts";
import { RESTORE_TABLE } from "../migrations/core.ts";
import type { ServerUrl } from "../contract/database-url.ts";
import { toTls } from "../contract/tls.ts";
import type { DumpFormat } from "./dump.ts";
import { type AppliedMigration, assertKnown, MIGRATIONS_TABLE } from "./known-migrations.ts";
import {
  type Environment,
  ESTIMATE_MS,
  findProgram,
  readBytes,
  readNumber,
  readProgram,
  runProgram,
  toProgramEnv,
} from "./programs.ts";

const PACKAGES = '"mariadb-client" or "mysql-client"';
// Without its indexes; most of it is compressed when it is packed.
const SIZE =
  "select coalesce(sum(data_length), 0) from information_schema.tables where table_schema = database()";
const END_OF_DUMP = "-- Dump completed";
/** At the beginning of a line there is no value: in those line breaks are written as "\\n". */
const MIGRATIONS = Buffer.from(`\nINSERT INTO \`${MIGRATIONS_TABLE}\` `);
const MAX_STATEMENT = 1_000_000; // characters: thousands of migrations
const MIGRATION = /\('([^'\\]*)','([^'\\]*)',/g;

// Tables that the dump doesn't hold go as well. Names are quoted by doubling backquotes.
const DROP_ALL = `
set foreign_key_checks = 0;
set session group_concat_max_len = 1000000000;
set @views = (select group_concat('\`', replace(table_name, '\`', '\`\`'), '\`') from information_schema.tables
  where table_schema = database() and table_type = 'VIEW');
set @tables = (select group_concat('\`', replace(table_name, '\`', '\`\`'), '\`') from information_schema.tables
  where table_schema = database() and table_type = 'BASE TABLE' and table_name <> '${RESTORE_TABLE}');
set @statement = if(@views is null, 'do 0', concat('drop view ', @views));
prepare dropping from @statement; execute dropping;
set @statement = if(@tables is null, 'do 0', concat('drop table ', @tables));
prepare dropping from @statement; execute dropping; deallocate prepare dropping;
`;

/** MySQL and MariaDB: a dump in SQL. Its changes of tables take effect one by one. */
export function createMysqlDump(url: ServerUrl, given: Environment): DumpFormat {
  const env = toProgramEnv(given, { MYSQL_PWD: url.password });
  return {
    member: "database.sql",
    directory: null,
    estimate: (signal) => estimate(url, { env, given, signal }),
    async dump(file, signal) {
      const action = `Cannot back up "${url.shown}"`;
      const program = findProgram(["mariadb-dump", "mysqldump"], { env: given, action, packages: PACKAGES });
      const isMariaDb = program.name.startsWith("mariadb");
      const own = isMariaDb ? [] : ["--column-statistics=0", "--set-gtid-purged=OFF"];
      const snapshot = ["--single-transaction", "--quick", "--hex-blob", "--no-tablespaces", "--triggers"];
      const connection = toConnectionArgs(url, isMariaDb);
      const args = [...connection, ...snapshot, ...own, `--result-file=${file}`, url.database];
      await runProgram(program, { args, env, action, signal });
    },
    async take() {
      const action = `Cannot restore "${url.shown}"`;
      const program = findProgram(["mariadb", "mysql"], { env: given, action, packages: PACKAGES });
      const connection = toConnectionArgs(url, program.name === "mariadb");
      // Binary mode: nothing in the dump is a command to the client, which could run programs.
      const args = [...connection, "--connect-timeout=10", "--batch", "--binary-mode", url.database];
      return {
        warnings: ["tables are replaced one by one: stop every server that runs on it"],
        keptAs: null,
        needsBackup: true,
        isAtomic: false,
        async check(file) {
          if (!(await readEnd(file)).includes(END_OF_DUMP))
            throw new DatabaseError("corrupt", `${action}: the dump in the backup is not complete`);
          assertKnown("mysql", await readMigrations(file));
          return [];
        },
        replace: (file, signal, kept) =>
          runProgram(program, { args, env, action, signal, input: toScript(file, kept ?? "") }),
        async [Symbol.asyncDispose]() {},
      };
    },
  };
}

async function estimate(
  url: ServerUrl,
  {
    env,
    given,
    signal,
  }: { readonly env: Environment; readonly given: Environment; readonly signal: AbortSignal },
): Promise<number> {
  const find = (one: string): string | null => Bun.which(one, { PATH: given["PATH"] ?? "" });
  const name = ["mariadb", "mysql"].find((one) => find(one) !== null);
  if (name === undefined) return 0;
  const connection = toConnectionArgs(url, name === "mariadb");
  const args = [...connection, "--batch", "--skip-column-names", `--execute=${SIZE}`, url.database];
  const limit = AbortSignal.any([signal, AbortSignal.timeout(ESTIMATE_MS)]);
  return readNumber(
    readProgram({ name, path: find(name) ?? name }, { args, env, action: "", signal: limit }),
  );
}

/** A table is there until all is done: whatever ends this half-way, no server takes the database for whole. */
async function* toScript(file: string, kept: string): AsyncGenerator<Uint8Array | string> {
  const text = Buffer.from(kept).toString("hex");
  yield `create table if not exists ${RESTORE_TABLE} (id integer primary key auto_increment, kept text not null) character set utf8mb4;
insert into ${RESTORE_TABLE} (kept) values (convert(x'${text}' using utf8mb4));
${DROP_ALL}`;
  yield* readBytes(file);
  yield `\ndrop table if exists ${RESTORE_TABLE};\n`;
}

/** Reads the first columns of the rows, which are their owner and name. */
async function readMigrations(file: string): Promise<AppliedMigration[]> {
  let before: Uint8Array = Buffer.alloc(0);
  let statement: string | null = null;
  for await (const part of readBytes(file)) {
    if (statement !== null) statement += Buffer.from(part).toString();
    else {
      const bytes = Buffer.concat([before, part]);
      const at = bytes.indexOf(MIGRATIONS);
      if (at === -1) before = bytes.subarray(-MIGRATIONS.length);
      else statement = bytes.toString("utf8", at);
    }
    if (statement !== null && (statement.includes(";\n") || statement.length > MAX_STATEMENT)) break;
  }
  const [rows = ""] = statement?.split(";\n") ?? [];
  return [...rows.matchAll(MIGRATION)].map(([, owner = "", name = ""]) => ({ owner, name }));
}

async function readEnd(file: string): Promise<string> {
  const handle = await open(file);
  try {
    const { size } = await handle.stat();
    const { buffer, bytesRead } = await handle.read({ position: Math.max(0, size - 200), length: 200 });
    return buffer.toString("utf8", 0, bytesRead);
  } finally {
    await handle.close();
  }
}

function toConnectionArgs({ host, port, user, options }: ServerUrl, isMariaDb: boolean): string[] {
  const tls = toTls(options);
  const ca = options["sslrootcert"];
  return [
    "--no-defaults", // first; a password in ~/.my.cnf would come before the environment's
    `--host=${host}`,
    `--port=${port}`,
    `--user=${user}`,
    "--protocol=tcp", // "localhost" alone would mean a socket
    "--default-character-set=utf8mb4",
    ...(isMariaDb ? toMariaDbTls(tls?.rejectUnauthorized) : toMysqlTls(tls?.rejectUnauthorized)),
    ...(tls?.rejectUnauthorized === true && ca !== undefined ? [`--ssl-ca=${ca}`] : []),
  ];
}

function toMariaDbTls(isChecked: boolean | undefined): string[] {
  if (isChecked === undefined) return ["--skip-ssl"];
  return ["--ssl", isChecked ? "--ssl-verify-server-cert" : "--skip-ssl-verify-server-cert"];
}

function toMysqlTls(isChecked: boolean | undefined): string[] {
  if (isChecked === undefined) return ["--ssl-mode=DISABLED", "--get-server-public-key"];
  return [`--ssl-mode=${isChecked ? "VERIFY_IDENTITY" : "REQUIRED"}`];
}
