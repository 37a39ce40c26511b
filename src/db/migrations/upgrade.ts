import type { AppError } from "../../errors/errors.ts";
import { fail } from "../../errors/codes.ts";
import type { Driver } from "../contract/driver.ts";
import { type LedgerEntry, readCutOffRestore, readVersions } from "./ledger.ts";

/** What is done about data that another version of xcore has written. */
export interface Upgrade {
  /** This version, which is noted with each migration that it applies. */
  readonly version: string;
  /**
   * Backs the data up, before something of it is migrated that has been there.
   *
   * @param writtenBy the version that applied the last migration before; null where that isn't known
   * @throws DatabaseError when it can't be, and then nothing is migrated
   */
  readonly backUp: (writtenBy: string | null) => Promise<void>;
  /** Finds the backup that was made last before a migration; null where there is none. */
  readonly findBackup: () => Promise<string | null>;
}

/** Stands among the core's applied migrations of a copy that isn't finished: no server takes it for whole. */
export const UNFINISHED_COPY = "unfinished_copy";

/** Tells which version of xcore has applied the last of these migrations; null where none has noted it. */
export async function findWriter(
  driver: Driver,
  owner: string,
  entries: readonly LedgerEntry[],
): Promise<string | null> {
  const versions = await readVersions(driver, owner);
  return entries.map(({ name }) => versions.get(name)).findLast((version) => version !== undefined) ?? null;
}

/** Says what to do where a restore was cut off, by the backup of what was there before. */
export function adviseRestoring(kept: string): string {
  return `restore that backup again, or go back to what was there before: \`xcore db restore ${kept}\``;
}

/** @throws AppError restore_unfinished where a restore was cut off: some tables are those of before, and some are gone */
export async function assertRestored(driver: Driver): Promise<void> {
  const kept = await readCutOffRestore(driver);
  if (kept === null) return;
  throw fail(
    "restore_unfinished",
    `Cannot use the database: a restore into it was cut off, and tables are missing; ${adviseRestoring(kept)}`,
  );
}

/** The error of data that a newer version has migrated, whose tables this one doesn't know. */
export async function newerData(
  driver: Driver,
  owner: string,
  { unknown, upgrade }: { readonly unknown: readonly LedgerEntry[]; readonly upgrade: Upgrade | undefined },
): Promise<AppError> {
  if (unknown.some(({ name }) => name === UNFINISHED_COPY)) {
    return fail(
      "copy_unfinished",
      "Cannot use the database: a copy into it isn't finished; run `xcore db copy` again, which goes on where it was",
    );
  }
  const writer = await findWriter(driver, owner, unknown);
  const backup = (await upgrade?.findBackup()) ?? null;
  const [first] = unknown;
  const more = unknown.length > 1 ? ` and ${unknown.length - 1} more` : "";
  const present = upgrade === undefined ? "this one" : `this one, ${upgrade.version},`;
  const isLater = writer === null || writer === upgrade?.version;
  const wrote = isLater ? "a later xcore" : `xcore ${writer}`;
  const start = isLater ? "the one that you had before" : `xcore ${writer} or a newer one`;
  const back =
    backup === null
      ? "restore a backup that this version has made with `xcore db restore`"
      : `go back to the data from before: \`xcore db restore ${backup}\``;
  return fail(
    "database_newer",
    `Cannot use the database: ${wrote} has migrated it ("${first?.name ?? ""}"${more}), which ${present} doesn't know; nothing was changed. Start ${start}, or ${back}`,
  );
}
