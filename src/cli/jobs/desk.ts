import type { Command } from "commander";
import { openCoreStore } from "../../accounts/people/store.ts";
import { prepareCoreTables } from "../../db/migrations/core.ts";
import { fail } from "../../errors/codes.ts";
import { createJobDesk, type JobDesk } from "../../jobs/admin/desk.ts";
import { type CommandContext, loadFor } from "../open/command-context.ts";
import { withDatabase } from "../open/database.ts";

const ID = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i;

/** Opens the jobs of the configured database for a command. */
export function withJobs<T>(
  command: Command,
  context: CommandContext,
  work: (desk: JobDesk) => Promise<T>,
): Promise<T> {
  const loaded = loadFor(command, context);
  return withDatabase(loaded, async ({ driver, loggers }) => {
    const { auto_migrate: migrates } = loaded.config.database;
    await prepareCoreTables(driver, { migrates, log: loggers.manager });
    return work(createJobDesk(driver, openCoreStore(driver)));
  });
}

/** @throws AppError not_found for what is no id of a job */
export function toJobId(text: string): string {
  if (ID.test(text)) return text.toLowerCase();
  throw fail("not_found", `Cannot find job "${text}": expected an id, as xcore jobs list shows them`);
}
