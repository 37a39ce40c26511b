import { Command } from "commander";
import type { App } from "../../app/app.ts";
import type { Dialect } from "../../db/contract/driver.ts";
import type { PluginRecord } from "../../plugins/inventory/record.ts";
import { summarizePlugin } from "../../plugins/admin/answers.ts";
import type { CommandContext } from "../open/command-context.ts";
import { toExamples, toTable } from "../terminal/output.ts";
import { describePluginError } from "../../plugins/failure/failure.ts";
import { inspect } from "../open/inspection.ts";

/** `xcore plugin list`: tells what each plugin is and whether it can be loaded. */
export function pluginListCommand(context: CommandContext): Command {
  return new Command("list")
    .description("List the plugins, and why those fail that can't be loaded")
    .option(
      "--offline",
      "fetch nothing: plugins from elsewhere as far as they are in the cache or in vendor/",
    )
    .option("--json", "print JSON")
    .addHelpText("after", toExamples("xcore plugin list", "xcore plugin list --json"))
    .action(async (options: { json?: boolean; offline?: boolean }, command: Command) => {
      const flags = options.offline === true ? { plugins: { offline: true } } : {};
      const plugins = await inspect(command, context, describePlugins, { flags });
      if (options.json) {
        const summaries = plugins.map(({ summary }) => summary);
        context.print(JSON.stringify(summaries, null, 2));
        return;
      }
      const rows = plugins.map(({ summary: { name, version, state, api_prefix, source } }) => [
        name,
        version ?? "-",
        state === "serving" ? "ok" : state,
        api_prefix ?? "-",
        source,
      ]);
      context.print(toTable([["NAME", "VERSION", "STATE", "PREFIX", "SOURCE"], ...rows]));
      for (const { summary, reason, draft } of plugins) {
        if (reason !== null) context.print(`\n${summary.name}: ${reason}`);
        else if (draft !== null) {
          const { name } = summary;
          context.print(`\n${name}: ${draft} is a draft, which xcore db generate ${name} makes real`);
        }
      }
    });
}

function describePlugins({ plugins, database: { dialect } }: App) {
  return Promise.all(
    plugins.list().map(async (record) => ({
      summary: summarizePlugin(record),
      reason: record.failure === null ? null : describePluginError(record.failure),
      draft: await findDraft(record, dialect),
    })),
  );
}

/** Of plugins that are written here: nobody else's drafts are anybody's business. */
async function findDraft({ files }: PluginRecord, dialect: Dialect): Promise<string | null> {
  if (files === null || files.overlay !== null) return null;
  const migrations = await files.readMigrations(dialect).catch(() => []);
  return migrations.find(({ isDraft }) => isDraft)?.name ?? null;
}
