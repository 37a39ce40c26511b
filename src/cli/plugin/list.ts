import { resolve } from "node:path";
import { Command } from "commander";
import { askRunningServer, type PluginSummaries } from "../../app/command-channel.ts";
import type { LoadedConfig } from "../../config/load.ts";
import { parseDatabaseUrl } from "../../db/contract/database-url.ts";
import { createDisplayPath } from "../../files/paths.ts";
import { summarizePlugin } from "../../plugins/admin/answers.ts";
import { listLocalPlugins } from "../../plugins/source/local.ts";
import { type CommandContext, loadFor } from "../open/command-context.ts";
import { toExamples, toTable } from "../terminal/output.ts";
import { describePluginError, PluginError } from "../../plugins/failure/failure.ts";
import { inspect } from "../open/inspection.ts";

/** `xcore plugin list`: tells what each plugin is, as the running server has it; else whether it can be loaded. */
export function pluginListCommand(context: CommandContext): Command {
  return new Command("list")
    .description("List the plugins, as a running server has them, and why those fail that can't be loaded")
    .option(
      "--offline",
      "fetch nothing: plugins from elsewhere as far as they are in the cache or in vendor/",
    )
    .option("--json", "print JSON")
    .addHelpText("after", toExamples("xcore plugin list", "xcore plugin list --json"))
    .action(async (options: { json?: boolean; offline?: boolean }, command: Command) => {
      const flags = options.offline === true ? { plugins: { offline: true } } : {};
      const loaded = loadFor(command, context, flags);
      const running = await askRunningServer(loaded);
      const plugins =
        running ??
        (await inspect(command, context, (app) => app.plugins.list().map(summarizePlugin), { flags }));
      if (options.json) {
        context.print(JSON.stringify(plugins, null, 2));
        return;
      }
      const rows = plugins.map(({ name, version, state, api_prefix, source }) => [
        name,
        version ?? "-",
        state,
        api_prefix ?? "-",
        source,
      ]);
      context.print(toTable([["NAME", "VERSION", "STATE", "PREFIX", "SOURCE"], ...rows]));
      if (running === null && rows.length > 0) {
        const isOne = loaded.config.redis.url === null;
        const rest = isOne ? "" : ", but for what was enabled or disabled on all instances";
        context.print(`\nNo server runs for this project: this is what one would tell${rest}`);
      }
      const drafts = await findDrafts(loaded);
      for (const { name, source, failure, serving } of plugins) {
        const draft = drafts.get(source);
        const rest = serving ? "; its last good version keeps serving" : "";
        if (failure !== null) context.print(`\n${name}: ${describe(failure)}${rest}${toRetryText(failure)}`);
        else if (draft !== undefined) {
          context.print(`\n${name}: ${draft} is a draft, which xcore db generate ${name} makes real`);
        }
      }
    });
}

function describe({ message, file, line }: NonNullable<PluginSummaries[number]["failure"]>): string {
  return describePluginError(new PluginError("import", message, { file, line }));
}

function toRetryText({ retry_at }: NonNullable<PluginSummaries[number]["failure"]>): string {
  return retry_at === null ? "" : `; it is tried again at ${retry_at}`;
}

/** Names of the first drafts of plugins in the plugins directory, by what is shown for the plugin. */
async function findDrafts({ config, directory }: LoadedConfig): Promise<ReadonlyMap<string, string>> {
  const { dialect } = parseDatabaseUrl(config.database.url, directory);
  const plugins = await listLocalPlugins(
    resolve(directory, config.plugins.directory),
    createDisplayPath(directory),
  );
  const found = await Promise.all(
    plugins.map(async ({ source, readMigrations }): Promise<[string, string][]> => {
      const migrations = await readMigrations(dialect).catch(() => []);
      const draft = migrations.find(({ isDraft }) => isDraft);
      return draft === undefined ? [] : [[source.shown, draft.name]];
    }),
  );
  return new Map(found.flat());
}
