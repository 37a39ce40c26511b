import { rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { fail } from "../../errors/codes.ts";
import { CORE_OWNER } from "../../db/migrations/core.ts";
import type { Manifest } from "../source/manifest.ts";
import type { PluginFiles } from "../source/files.ts";
import { setJsonPath } from "../../config/json/edit.ts";
import { replaceFile } from "../../files/replace.ts";

/**
 * Checks that nothing depends on a plugin.
 *
 * @param others what is declared beside it
 * @throws AppError conflict
 */
export function assertRemovable(name: string, others: Iterable<Manifest>): void {
  if (name === CORE_OWNER) {
    throw fail("conflict", `Cannot remove "${CORE_OWNER}": that is xcore itself`);
  }
  const dependents = [...others].filter(({ dependencies }) => Object.hasOwn(dependencies, name));
  if (dependents.length === 0) return;
  const names = dependents.map((dependent) => `"${dependent.name}"`).join(", ");
  throw fail("conflict", `Cannot remove "${name}": ${names} depends on it; remove that first`);
}

/** What of a plugin says who depends on whom. */
export type Dependent = Pick<Manifest, "name" | "dependencies">;

/**
 * Lists the active plugins that can't go on without another: those that depend on it, and on those; each after the ones
 * that depend on it.
 *
 * @param active all that are active
 */
export function findDependents(name: string, active: readonly Dependent[]): string[] {
  const found: string[] = [];
  const seen = new Set([name]);
  const visit = (needed: string): void => {
    for (const dependent of active) {
      if (seen.has(dependent.name) || !Object.hasOwn(dependent.dependencies, needed)) continue;
      seen.add(dependent.name);
      visit(dependent.name);
      found.push(dependent.name);
    }
  };
  visit(name);
  return found;
}

/** @param how what disables them as well @throws AppError conflict when there are dependents */
export function assertDisablable(name: string, dependents: readonly string[], how: string): void {
  if (dependents.length === 0) return;
  const names = dependents.map((dependent) => `"${dependent}"`).join(", ");
  const verb = dependents.length === 1 ? "depends" : "depend";
  throw fail("conflict", `Cannot disable "${name}": ${names} ${verb} on it; ${how} disables them too`);
}

/** Takes a plugin's files out of service, does `next`, and deletes them; puts them back when `next` fails. */
export async function removeFiles({ path }: PluginFiles, next: () => Promise<void>): Promise<void> {
  const aside = join(dirname(path), `.removed-${process.pid}-${basename(path)}`);
  await rename(path, aside);
  try {
    await next();
  } catch (error) {
    await rename(aside, path);
    throw error;
  }
  await rm(aside, { recursive: true });
}

/**
 * Writes into a plugin's manifest whether it is active, and keeps the rest as it was written. A running server that
 * watches follows.
 *
 * @throws AppError conflict for a plugin that is a single file
 */
export async function writeActive(
  { name, files }: { readonly name: string; readonly files: PluginFiles },
  active: boolean,
): Promise<void> {
  assertSwitchable({ name, files }, active);
  await replaceFile(join(files.path, "plugin.json"), (text) => setJsonPath(text ?? "{}", ["active"], active));
}

/** @throws AppError conflict for a plugin that is a single file */
export function assertSwitchable(
  { name, files: { isSingleFile, source } }: { readonly name: string; readonly files: PluginFiles },
  active: boolean,
): void {
  if (!isSingleFile) return;
  const verb = active ? "enable" : "disable";
  const message = `Cannot ${verb} "${name}": set \`active: ${active}\` in PLUGIN_INFO of ${source.shown} yourself`;
  throw fail("conflict", message);
}
