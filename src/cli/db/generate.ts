import { existsSync } from "node:fs";
import { join } from "node:path";
import { Command, InvalidArgumentError } from "commander";
import type { Dialect } from "../../db/contract/driver.ts";
import { type GeneratedMigration, generateMigration } from "../../db/migrations/generate/generate.ts";
import { parseRename, type Rename } from "../../db/migrations/generate/renames.ts";
import { createCoreSchema } from "../../db/schema/schema.ts";
import { createDetachedDriver } from "../../db/detached.ts";
import { fail } from "../../errors/codes.ts";
import { CORE_OWNER } from "../../db/migrations/core.ts";
import { loadPluginTables } from "../../plugins/inventory/tables.ts";
import type { CommandContext } from "../open/command-context.ts";
import { type CommandPlugins, loadCommandPlugins } from "../open/plugins.ts";
import { confirm } from "../terminal/prompts.ts";
import { toExamples } from "../terminal/output.ts";

interface GenerateOptions {
  readonly name?: string;
  readonly rename?: readonly Rename[];
  readonly yes?: boolean;
}

/** Whose tables a migration is for. */
interface Subject {
  /** Its `drizzle` folder. */
  readonly folder: string;
  readonly schemaFor: (dialect: Dialect) => Promise<Record<string, unknown>>;
}

/** `xcore db generate OWNER`: writes the migration from the last snapshot to what the schema says now. */
export function dbGenerateCommand(context: CommandContext): Command {
  return new Command("generate")
    .description("Write a migration for what has changed in a plugin's tables, for all databases")
    .argument("<plugin>", `name of the plugin, or "${CORE_OWNER}" in xcore's own repository`)
    .option("--name <name>", "name of the migration after its number (default: made of what changes)")
    .option(
      "--rename <old=new>",
      'keep what is in a renamed table ("old=new") or column ("table.old=new"); can be repeated',
      (text, renames: readonly Rename[]) => [...renames, toRename(text)],
      [] as readonly Rename[],
    )
    .option("--yes", "don't ask before something is dropped")
    .addHelpText(
      "after",
      toExamples("xcore db generate blog", "xcore db generate blog --rename blog_articles.titel=title"),
    )
    .action(async (owner: string, { name, rename: renames, yes }: GenerateOptions, command: Command) => {
      const declared = await loadCommandPlugins(command, context);
      const { toDisplayPath } = declared;
      const subject = owner === CORE_OWNER ? toCoreSubject(declared) : await toPluginSubject(owner, declared);
      const migration = await generateMigration({ ...subject, name, renames });
      if (migration === null) {
        context.print(`Nothing has changed in the tables of ${owner}: no migration is needed`);
        return;
      }
      if (!yes && !(await confirmLosses(migration, context))) return;
      for (const file of await migration.write()) context.print(`wrote ${toDisplayPath(file)}`);
      if (owner !== CORE_OWNER) {
        context.print("\nA running server applies it now; `xcore db migrate` does without one");
      }
    });
}

function toCoreSubject({ loaded, toDisplayPath }: CommandPlugins): Subject {
  const folder = join(loaded.directory, "drizzle");
  if (!existsSync(folder)) {
    // Migrations of the core's tables are inside the executable: nobody applies those of a project's `drizzle/`.
    const message = `Cannot generate migrations of "${CORE_OWNER}": ${toDisplayPath(folder)} isn't there; that is done in xcore's own repository`;
    throw fail("not_found", message);
  }
  return {
    folder,
    schemaFor: async (dialect) => createCoreSchema((await createDetachedDriver(dialect)).tableMakers),
  };
}

async function toPluginSubject(
  name: string,
  { plugins, packages, log, find }: CommandPlugins,
): Promise<Subject> {
  const plugin = find(name);
  const { source, isSingleFile, root } = plugin.files;
  if (source.remote !== null) {
    const message = `Cannot generate migrations of "${name}": it is pinned in plugins.remote; its author does`;
    throw fail("conflict", message);
  }
  if (isSingleFile) {
    const message = `Cannot generate migrations of "${name}": a single file has none; make it a folder`;
    throw fail("conflict", message);
  }
  const folder = join(root, "drizzle");
  if ((await plugin.files.findSchemas()).length === 0 && !existsSync(folder)) {
    const file = `${source.shown}/schema.ts`;
    const message = `Cannot generate a migration of "${name}": it has no tables; declare them in ${file}`;
    throw fail("not_found", message);
  }
  return {
    folder,
    schemaFor: (dialect) => loadPluginTables(plugin, { byName: plugins.byName, packages, log, dialect }),
  };
}

/** Shows what would be lost and asks; true when nothing would. */
async function confirmLosses(
  { name, losses, possibleRenames }: GeneratedMigration,
  { warn }: CommandContext,
): Promise<boolean> {
  if (losses.length === 0) return true;
  warn(`${name} may lose data:`);
  for (const loss of losses) warn(`  ${loss}`);
  if (possibleRenames.length > 0) {
    const flags = possibleRenames.map((rename) => `--rename ${rename}`).join(" ");
    warn(`If something has only got another name, keep what is in it with ${flags}`);
  }
  return confirm("Write it all the same?");
}

function toRename(text: string): Rename {
  try {
    return parseRename(text);
  } catch (error) {
    throw new InvalidArgumentError(error instanceof Error ? error.message : String(error));
  }
}
