import type { ServerUrl } from "../contract/database-url.ts";
import { toTls } from "../contract/tls.ts";
import type { DumpFormat } from "./dump.ts";
import { type AppliedMigration, assertKnown, MIGRATIONS_TABLE } from "./known-migrations.ts";
import {
  type Environment,
  ESTIMATE_MS,
  findProgram,
  readNumber,
  readProgram,
  runProgram,
  toProgramEnv,
} from "./programs.ts";

/** A table that is being migrated isn't waited for longer. */
const LOCK_WAIT = "--lock-wait-timeout=60s";
/** Without its indexes, and compressed to half: rows that don't compress take more. */
const SIZE = `select coalesce(sum(pg_table_size(c.oid)), 0)::bigint / 2 from pg_class c
  join pg_namespace n on n.oid = c.relnamespace where c.relkind in ('r', 'p', 'm') and n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast')`;
const PACKAGE = '"postgresql-client"';

// Drops everything that a dump holds, but for what belongs to extensions. It runs in the transaction of the restore:
// readers wait meanwhile, and nothing is gone when the restore fails.
const DROP_ALL = `
set lock_timeout = '60s';
set client_min_messages = error;
do $drop$
declare statement text;
begin
  for statement in
    select format('drop schema %I cascade', nspname) from pg_namespace n
      where nspname not like 'pg\\_%' and nspname not in ('information_schema', 'public')
      and not exists (select from pg_depend d where d.classid = 'pg_namespace'::regclass and d.objid = n.oid and d.deptype = 'e')
  loop execute statement; end loop;
  for statement in
    select format('drop %s if exists %I.%I cascade',
        case c.relkind when 'v' then 'view' when 'm' then 'materialized view' when 'S' then 'sequence'
          when 'f' then 'foreign table' else 'table' end, n.nspname, c.relname)
      from pg_class c join pg_namespace n on n.oid = c.relnamespace
      where n.nspname = 'public' and c.relkind in ('r', 'p', 'v', 'm', 'S', 'f')
      and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype in ('e', 'i'))
      order by c.relkind = 'S'
  loop execute statement; end loop;
  for statement in
    select format('drop type if exists %I.%I cascade', n.nspname, t.typname)
      from pg_type t join pg_namespace n on n.oid = t.typnamespace left join pg_class c on c.oid = t.typrelid
      where n.nspname = 'public' and (t.typtype in ('e', 'd', 'r') or c.relkind = 'c')
      and not exists (select from pg_depend d where d.classid = 'pg_type'::regclass and d.objid = t.oid and d.deptype = 'e')
  loop execute statement; end loop;
  for statement in
    select format('drop routine if exists %s cascade', p.oid::regprocedure)
      from pg_proc p join pg_namespace n on n.oid = p.pronamespace
      where n.nspname = 'public'
      and not exists (select from pg_depend d where d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e')
  loop execute statement; end loop;
  perform lo_unlink(oid) from pg_largeobject_metadata;
end $drop$;
`;

/** PostgreSQL: pg_dump's custom format, restored whole or not at all. */
export function createPostgresDump(url: ServerUrl, given: Environment): DumpFormat {
  const env = toPostgresEnv(url, given);
  const find = (name: string, action: string) =>
    findProgram([name], { env: given, action, packages: PACKAGE });
  return {
    member: "database.dump",
    directory: null,
    estimate: (signal) => estimate(env, given, signal),
    async dump(file, signal) {
      const action = `Cannot back up "${url.shown}"`;
      const args = [
        "--format=custom",
        "--no-owner",
        "--no-privileges",
        "--no-password",
        LOCK_WAIT,
        `--file=${file}`,
      ];
      await runProgram(find("pg_dump", action), { args, env, action, signal });
    },
    async take() {
      const action = `Cannot restore "${url.shown}"`;
      const [pgRestore, psql] = [find("pg_restore", action), find("psql", action)];
      const readScript = (file: string, signal: AbortSignal, parts: readonly string[] = []) =>
        readProgram(pgRestore, {
          args: ["--file=-", "--no-owner", "--no-privileges", ...parts, file],
          env,
          action,
          signal,
        });
      return {
        warnings: ["a server that runs on it meanwhile waits, and should be restarted afterwards"],
        keptAs: null,
        needsBackup: true,
        isAtomic: true,
        async check(file, signal) {
          await drain(readScript(file, signal));
          const migrations = readScript(file, signal, ["--data-only", `--table=${MIGRATIONS_TABLE}`]);
          assertKnown("postgres", await readMigrations(migrations));
          return [];
        },
        async replace(file, signal) {
          const args = ["--no-psqlrc", "--quiet", "--no-password", "--output=/dev/null", "--file=-"];
          const settings = ["--set=ON_ERROR_STOP=1", "--set=VERBOSITY=terse"];
          const input = inTransaction(readScript(file, signal));
          await runProgram(psql, { args: [...args, ...settings], env, action, signal, input });
        },
        async [Symbol.asyncDispose]() {},
      };
    },
  };
}

function estimate(env: Environment, given: Environment, signal: AbortSignal): Promise<number> {
  const path = Bun.which("psql", { PATH: given["PATH"] ?? "" });
  if (path === null) return Promise.resolve(0);
  const args = ["--no-psqlrc", "--no-password", "--tuples-only", `--command=${SIZE}`];
  const limit = AbortSignal.any([signal, AbortSignal.timeout(ESTIMATE_MS)]);
  return readNumber(readProgram({ name: "psql", path }, { args, env, action: "", signal: limit }));
}

async function drain(parts: AsyncIterable<Uint8Array>): Promise<void> {
  const iterator = parts[Symbol.asyncIterator]();
  // oxlint-disable-next-line no-await-in-loop -- one part after another
  while ((await iterator.next()).done !== true);
}

/** Reads rows as COPY has them: a line each, with tabs between the columns. */
async function readMigrations(parts: AsyncIterable<Uint8Array>): Promise<AppliedMigration[]> {
  const script = Buffer.concat(await Array.fromAsync(parts)).toString();
  const copies = script.matchAll(/^COPY [^\n]*\(([^()\n]+)\) FROM stdin;\n([^]*?)^\\\.$/gm);
  return [...copies].flatMap(([, columns = "", rows = ""]) => {
    const names = columns.split(", ");
    const [owner, name] = [names.indexOf("owner"), names.indexOf("name")];
    return rows.split("\n").map((row) => {
      const values = row.split("\t");
      return { owner: values[owner] ?? "", name: values[name] ?? "" };
    });
  });
}

/** When the dump breaks off there is no commit, and the end of the connection undoes all. */
async function* inTransaction(script: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array | string> {
  yield `begin;${DROP_ALL}`;
  yield* script;
  yield "\ncommit;\n";
}

function toPostgresEnv(
  { host, port, user, password, database, options }: ServerUrl,
  env: Environment,
): Environment {
  const tls = toTls(options);
  const checked = tls?.rejectUnauthorized === true ? "verify-full" : "require";
  return toProgramEnv(env, {
    PGHOST: host,
    PGPORT: String(port),
    PGUSER: user,
    PGPASSWORD: password === "" ? undefined : password,
    PGDATABASE: database,
    PGSSLMODE: tls === null ? "disable" : checked,
    PGSSLROOTCERT: checked === "verify-full" ? (options["sslrootcert"] ?? "system") : undefined,
    PGCONNECT_TIMEOUT: "10",
    PGCLIENTENCODING: "UTF8",
    PGAPPNAME: "xcore",
  });
}
