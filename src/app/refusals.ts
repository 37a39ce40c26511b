import { assertSchedule } from "../backups/schedule.ts";
import type { LoadedConfig } from "../config/load.ts";
import { toRedisJobs } from "../jobs/backends.ts";
import { examineCertificate } from "../web/https/https.ts";
import { createCommandCache } from "./cache.ts";

/**
 * Lists what a start would refuse of a configuration whose keys and types are right: files that can't be used, expressions
 * that can't be read, backends whose server isn't named.
 */
export async function findRefusals(loaded: LoadedConfig): Promise<string[]> {
  const attempts: (() => unknown)[] = [
    () => examineCertificate(loaded),
    () => assertSchedule(loaded),
    async () => (await createCommandCache(loaded)).close(),
    () => toRedisJobs(loaded.config),
  ];
  const refusals = await Promise.all(attempts.map(refusalOf));
  return refusals.filter((refusal) => refusal !== null);
}

async function refusalOf(attempt: () => unknown): Promise<string | null> {
  try {
    await attempt();
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
