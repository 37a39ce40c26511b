import { existsSync } from "node:fs";
import { join } from "node:path";
import { Command, InvalidArgumentError, Option } from "commander";
import type { Dialect } from "../../db/contract/driver.ts";
import {
  type Backfill,
  type GeneratedMigration,
  generateMigration,
  parseBackfill,
  parseRename,
  releaseDrafts,
  type Rename,
  writeEmptyMigration,
} from "../../db/migrations/generate/generate.ts";
import { planWithdrawal } from "../../db/migrations/generate/withdraw.ts";
import { createCoreSchema } from "../../db/schema/schema.ts";
import { createDetachedDriver } from "../../db/detached.ts";
import { fail } from "../../errors/codes.ts";
import { CORE_OWNER } from "../../db/migrations/core.ts";
import { loadPluginTables } from "../../plugins/inventory/tables.ts";
import type { CommandContext } from "../open/command-context.ts";
import { type CommandPlugins, loadCommandPlugins } from "../open/plugins.ts";
import { withDatabase } from "../open/database.ts";
import { confirm } from "../terminal/prompts.ts";
import { toExamples } from "../terminal/output.ts";

interface GenerateOptions {
  readonly name?: string;
  readonly rename?: readonly Rename[];
  readonly backfill?: readonly Backfill[];
  readonly draft?: boolean;
  readonly empty?: boolean;
  readonly undo?: boolean;
  readonly yes?: boolean;
}

/** Whose tables a migration is for. */
interface Subject {
  /** Its `drizzle` folder. */
  readonly folder: string;
  readonly schemaFor: (dialect: Dialect) => Promise<Record<string, unknown>>;
}

/** What a way to generate works with. */
interface Generating {
  readonly owner: string;
  readonly subject: Subject;
  readonly declared: CommandPlugins;
  readonly options: GenerateOptions;
  readonly context: CommandContext;
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
      (text, renames: readonly Rename[]) => [...renames, parse(parseRename, text)],
      [] as readonly Rename[],
    )
    .option(
      "--backfill <column=value>",
      'what the rows that are there get in a column, as a value or as SQL ("slug=sql:lower(title)"); can be repeated',
      (text, backfills: readonly Backfill[]) => [...backfills, parse(parseBackfill, text)],
      [] as readonly Backfill[],
    )
    .option(
      "--draft",
      "write it without a server applying it; without --draft the next time, it becomes real",
    )
    .addOption(
      new Option("--empty", "write a draft without statements, to be written by hand").conflicts([
        "rename",
        "backfill",
        "undo",
      ]),
    )
    .addOption(
      new Option("--undo", "withdraw the migrations that the database hasn't applied").conflicts([
        "name",
        "rename",
        "backfill",
        "draft",
      ]),
    )
    .option("--yes", "don't ask before something is lost")
    .addHelpText(
      "after",
      toExamples(
        "xcore db generate blog",
        "xcore db generate blog --rename blog_articles.titel=title",
        "xcore db generate blog --backfill language=en",
        "xcore db generate blog --draft",
        "xcore db generate blog --empty --name fill_slugs",
        "xcore db generate blog --undo",
      ),
    )
    .action(async (owner: string, options: GenerateOptions, command: Command) => {
      const declared = await loadCommandPlugins(command, context);
      const subject = owner === CORE_OWNER ? toCoreSubject(declared) : await toPluginSubject(owner, declared);
      const way = options.undo === true ? undo : options.empty === true ? writeEmpty : generate;
      await way({ owner, subject, declared, options, context });
    });
}

async function generate({ owner, subject, declared, options, context }: Generating): Promise<void> {
  const { name, rename: renames, backfill: backfills, draft: isDraft = false, yes = false } = options;
  const { print } = context;
  const migration = await generateMigration({ ...subject, name, renames, backfills });
  if (migration !== null && !(await confirmLosses(migration, { yes, context }))) return;
  const released = isDraft ? [] : await releaseDrafts(subject.folder);
  for (const draft of released) print(`${draft} is no longer a draft`);
  if (migration === null && released.length === 0) {
    print(`Nothing has changed in the tables of ${owner}: no migration is needed`);
    return;
  }
  for (const file of (await migration?.write({ isDraft })) ?? [])
    print(`wrote ${declared.toDisplayPath(file)}`);
  if (isDraft) printDraftAdvice(owner, context);
  else if (owner !== CORE_OWNER) {
    print("\nA running server applies it now; `xcore db migrate` does without one");
  }
}

async function writeEmpty({ owner, subject, declared, options, context }: Generating): Promise<void> {
  for (const file of await writeEmptyMigration(subject.folder, options.name)) {
    context.print(`wrote ${declared.toDisplayPath(file)}`);
  }
  printDraftAdvice(owner, context);
}

function printDraftAdvice(owner: string, { print }: CommandContext): void {
  print(
    `\nIt is a draft, which you may edit: \`xcore db generate ${owner}\` makes it real as it stands then`,
  );
}

async function undo({ owner, subject, declared, options, context }: Generating): Promise<void> {
  await withDatabase(declared.loaded, async ({ driver }) => {
    const { names, edited, takenBack, run } = await planWithdrawal(driver, { owner, folder: subject.folder });
    if (names.length === 0) {
      context.print(`Nothing to withdraw: every migration of ${owner} has been applied`);
      return;
    }
    if (takenBack.length > 0) context.warn("What took effect of it is taken back in the database:");
    for (const statement of takenBack) context.warn(`  ${statement}`);
    if (edited.length > 0) {
      context.warn(`Written or edited by hand, and deleted with the rest: ${edited.join(", ")}`);
    }
    if (edited.length + takenBack.length > 0) {
      if (!(await confirmUnless(options.yes, `Withdraw ${names.join(", ")}?`, context))) return;
    }
    await run();
    for (const name of names) context.print(`withdrew ${name}`);
    context.print("\nDon't withdraw what another database has applied: it would miss the file");
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
  { name, losses, possibleRenames, unfilled }: GeneratedMigration,
  { yes, context }: { readonly yes: boolean; readonly context: CommandContext },
): Promise<boolean> {
  const { warn } = context;
  if (losses.length === 0) return true;
  warn(`${name} may lose data, or fail:`);
  for (const loss of losses) warn(`  ${loss}`);
  if (possibleRenames.length > 0) {
    const flags = possibleRenames.map((rename) => `--rename ${rename}`).join(" ");
    warn(`If something has only got another name, keep what is in it with ${flags}`);
  }
  if (unfilled.length > 0) {
    const flags = unfilled.map((column) => `--backfill '${column}=…'`).join(" ");
    warn(`If there are rows, give them a value with ${flags}`);
  }
  return confirmUnless(yes, "Write it all the same?", context);
}

/** Asks, unless `--yes` was given, which is told. */
async function confirmUnless(
  yes: boolean | undefined,
  question: string,
  { warn }: CommandContext,
): Promise<boolean> {
  if (yes !== true) return confirm(question);
  warn("Accepted with --yes");
  return true;
}

function parse<Value>(read: (text: string) => Value, text: string): Value {
  try {
    return read(text);
  } catch (error) {
    throw new InvalidArgumentError(error instanceof Error ? error.message : String(error));
  }
}
