import { existsSync } from "node:fs";
import { sql } from "drizzle-orm";
import { openCoreStore } from "../../accounts/people/store.ts";
import type { Schedule } from "../../jobs/scheduler/schedule.ts";
import { isFault } from "../../db/contract/database-error.ts";
import { parseDatabaseUrl } from "../../db/contract/database-url.ts";
import type { Dialect, Driver } from "../../db/contract/driver.ts";
import { CORE_OWNER, readCutOffRestore } from "../../db/migrations/core.ts";
import { adviseRestoring, UNFINISHED_COPY } from "../../db/migrations/upgrade.ts";
import { findMissingColumns, migrationStatus } from "../../db/migrations/status.ts";
import {
  type CommandDatabase,
  listMigrationOwners,
  type MigrationOwner,
  withDatabase,
} from "../open/database.ts";
import type { CommandPlugins } from "../open/plugins.ts";
import { toCount } from "../terminal/output.ts";
import { type Finding, ok, problem, toMessage, warning } from "./findings.ts";

const CLOCK_QUERIES: Readonly<Record<Exclude<Dialect, "sqlite">, string>> = {
  postgres: "select extract(epoch from clock_timestamp()) * 1000 as ms",
  mysql: "select unix_timestamp(now(3)) * 1000 as ms",
};
const CONNECT_MS = 5000;
/** How late a backup may be. */
const LATE_MS = 3_600_000;
const CLOCK_TOLERANCE_MS = 2000;
/** Codes of two factors are good for half a minute, and one more. */
const CLOCK_LIMIT_MS = 30_000;

/** Looks at the database, its migrations, and whether its clock and ours agree. Nothing is changed. */
export async function checkDatabase(commandPlugins: CommandPlugins): Promise<Finding[]> {
  const { config, directory } = commandPlugins.loaded;
  const url = parseDatabaseUrl(config.database.url, directory);
  if (url.dialect === "sqlite" && !existsSync(url.file)) {
    return [ok("database", `${url.shown} isn't there yet: it is made at the first start`)];
  }
  try {
    const look = ({ driver }: CommandDatabase) => checkOpened(driver, url.shown, commandPlugins);
    return await withDatabase(commandPlugins.loaded, look, { connectTimeoutMs: CONNECT_MS });
  } catch (error) {
    const advice =
      url.dialect === "sqlite"
        ? "put its file right, restore a backup with `xcore db restore`, or name another file in database.url"
        : "start it, or put its address, user and password right in database.url";
    return [problem("database", toMessage(error), advice)];
  }
}

async function checkOpened(driver: Driver, shown: string, plugins: CommandPlugins): Promise<Finding[]> {
  const startedAt = performance.now();
  await driver.ping();
  const answer = ok("database", `${shown} answers in ${Math.ceil(performance.now() - startedAt)} ms`);
  const writing = await driver.probe().then(
    () => [],
    (error: unknown) => {
      // An empty database has no table to write to yet: its first start makes them.
      if (isFault(error, "missing_table")) return [];
      const advice = "see that the disk isn't full or read-only";
      return [problem("database", `cannot write: ${toMessage(error)}`, advice)];
    },
  );
  return [
    answer,
    ...writing,
    ...(await checkMigrations(driver, plugins)),
    ...(await checkBackups(driver, plugins)),
    ...(await checkClock(driver)),
  ];
}

async function checkMigrations(driver: Driver, { loaded, plugins }: CommandPlugins): Promise<Finding[]> {
  const kept = await readCutOffRestore(driver);
  if (kept !== null) {
    const what = "a restore into this database was cut off: tables are missing";
    return [problem("migrations", what, adviseRestoring(kept))];
  }
  const findings: Finding[] = [];
  for (const owner of listMigrationOwners(driver.dialect, plugins)) {
    // oxlint-disable-next-line no-await-in-loop -- in the order of the owners
    findings.push(...(await checkOwner(driver, owner, loaded.config.database.auto_migrate)));
  }
  if (findings.length > 0) return findings;
  const { tables } = openCoreStore(driver);
  const missing = await findMissingColumns(driver, Object.values(tables));
  if (missing.length === 0)
    return [ok("migrations", "all are applied, and the core's tables are as they made them")];
  const advice = "somebody has changed the tables by hand: restore a backup, or put back what is missing";
  return [problem("migrations", `the database lacks ${missing.join(", ")}`, advice)];
}

async function checkOwner(driver: Driver, owner: MigrationOwner, isApplied: boolean): Promise<Finding[]> {
  const { name } = owner;
  try {
    const states = await migrationStatus(driver, { owner: name, migrations: await owner.readMigrations() });
    const count = (wanted: readonly string[]): number =>
      states.filter(({ state }) => wanted.includes(state)).length;
    const pending = count(["pending", "partial"]);
    const findings: Finding[] = [];
    if (pending > 0) {
      const advice = isApplied
        ? "the next start applies them, as `xcore db migrate` does"
        : "run `xcore db migrate`";
      findings.push(warning("migrations", `${toCount(pending, "migration")} of ${name} to apply`, advice));
    }
    for (const { state, name: migration } of states) {
      if (state !== "changed" && state !== "missing") continue;
      findings.push(
        state === "changed"
          ? problem(
              "migrations",
              `${name} ${migration} was edited after it was applied`,
              "put the file back as it was",
            )
          : describeMissing(name, migration),
      );
    }
    return findings;
  } catch (error) {
    return [problem("migrations", `${name}: ${toMessage(error)}`, "mend the file that it names")];
  }
}

function describeMissing(name: string, migration: string): Finding {
  if (name !== CORE_OWNER)
    return warning(
      "migrations",
      `${name} ${migration} was applied, and its file is gone`,
      "put the file back",
    );
  if (migration === UNFINISHED_COPY) {
    const advice = "run `xcore db copy` again: it goes on where it was";
    return problem("migrations", "a copy into this database isn't finished", advice);
  }
  const message = `a newer xcore has applied ${migration}: this one refuses to start`;
  return problem("migrations", message, "use the newer one, or restore the backup that it made before");
}

async function checkBackups(driver: Driver, { loaded }: CommandPlugins): Promise<Finding[]> {
  const { schedule: expression } = loaded.config.backups;
  if (expression === null) {
    return [ok("backups", "none are scheduled: backups.schedule has the server make them")];
  }
  const [{ loadSchedules }, { readBackupState }] = await Promise.all([
    import("../../jobs/scheduler/schedule.ts"),
    import("../../backups/schedule.ts"),
  ]);
  let schedule: Schedule;
  try {
    schedule = (await loadSchedules())(expression, null);
  } catch {
    return []; // which is said of the configuration
  }
  const { begunAt, failure } = await readBackupState(openCoreStore(driver));
  if (failure !== null) {
    const advice = "mend what it says, and run `xcore tasks run core:backup`";
    return [problem("backups", `the last one failed: ${failure}`, advice)];
  }
  if (begunAt === null) {
    return [warning("backups", "none was made yet", "run `xcore tasks run core:backup`")];
  }
  const due = schedule.previous(Date.now() - LATE_MS);
  if (due !== null && begunAt.getTime() < due - LATE_MS) {
    const message = `one was due at ${new Date(due).toISOString()}, and the last was begun at ${begunAt.toISOString()}`;
    return [
      problem("backups", message, "see that the server runs, and that the task core:backup isn't paused"),
    ];
  }
  return [ok("backups", `the last one was begun at ${begunAt.toISOString()}`)];
}

async function checkClock(driver: Driver): Promise<Finding[]> {
  if (driver.dialect === "sqlite") return [];
  const [row] = await driver.toDatabase({}).execute<{ ms: unknown }>(sql.raw(CLOCK_QUERIES[driver.dialect]));
  const apart = Math.round(Number(row?.ms) - Date.now());
  const seconds = `${(Math.abs(apart) / 1000).toFixed(1)} s`;
  if (Math.abs(apart) <= CLOCK_TOLERANCE_MS) return [ok("clock", "this machine and the database agree")];
  const message = `the database's clock is ${seconds} ${apart > 0 ? "ahead of" : "behind"} this machine's`;
  const advice =
    "keep both right by NTP (`timedatectl set-ntp true`): tokens and codes of two factors go by them";
  return [(Math.abs(apart) > CLOCK_LIMIT_MS ? problem : warning)("clock", message, advice)];
}
