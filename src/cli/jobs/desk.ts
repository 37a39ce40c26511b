import type { Command } from "commander";
import { fail } from "../../errors/codes.ts";
import { openBackend, toRedisJobs } from "../../jobs/backends.ts";
import { createJobDesk, type JobDesk } from "../../jobs/admin/desk.ts";
import type { CommandContext } from "../open/command-context.ts";
import { type CommandStore, withCoreStore } from "../open/database.ts";

/** What an id looks like, for help. */
export const EXAMPLE = "0199c0de-0000-7000-8000-000000000000";
const ID = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i;

/** Opens the jobs of the configured database for a command. @param options see `withCoreStore` */
export function withJobs<T>(
  command: Command,
  context: CommandContext,
  work: (desk: JobDesk) => Promise<T>,
  options: { readonly changes?: boolean } = {},
): Promise<T> {
  const open = async ({ driver, store, loaded, loggers }: CommandStore): Promise<T> => {
    const redis = toRedisJobs(loaded.config);
    const backend = await openBackend({ driver, store, redis, log: loggers.app });
    try {
      return await work(createJobDesk(backend));
    } finally {
      await backend.close();
    }
  };
  return withCoreStore(command, context, open, options);
}

/** @throws AppError not_found for what is no id of a job */
export function toJobId(text: string): string {
  if (ID.test(text)) return text.toLowerCase();
  throw fail("not_found", `Cannot find job "${text}": expected an id, as xcore jobs list shows them`);
}
