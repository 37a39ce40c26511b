import { Command } from "commander";
import { toConfigJsonSchema } from "../config/json-schema.ts";
import { maskConfig } from "../config/load.ts";
import type { Config } from "../config/schema.ts";
import { fail } from "../errors/codes.ts";
import type { App } from "../app/app.ts";
import { describeFailure } from "../app/failure-text.ts";
import { SettingsError, type SettingsProblem } from "../plugins/failure/failure.ts";
import { findStraySettings } from "../plugins/inventory/mistakes.ts";
import { type CommandContext, loadFor } from "./open/command-context.ts";
import { inspect } from "./open/inspection.ts";
import { toCount, toExamples } from "./terminal/output.ts";
import { addSubcommands } from "./terminal/subcommands.ts";

/** `xcore config`: shows, checks and describes the configuration. */
export function configCommand(context: CommandContext): Command {
  const show = new Command("show")
    .description("Print the effective configuration as JSON, with secrets masked")
    .addHelpText("after", toExamples("xcore config show", "XCORE_SERVER__PORT=9000 xcore config show"))
    .action((_options: object, command: Command) => {
      context.print(JSON.stringify(maskConfig(loadFor(command, context)), null, 2));
    });
  const schema = new Command("schema")
    .description("Print the JSON Schema of config.json, for editors")
    .addHelpText("after", toExamples("xcore config schema > xcore.schema.json"))
    .action(() => context.print(JSON.stringify(toConfigJsonSchema(), null, 2)));
  const check = new Command("check")
    .description(
      "Say whether the configuration can be used, and everything that is wrong with it. For the settings of plugins " +
        "these are loaded, and nothing of theirs is started",
    )
    .option(
      "--offline",
      "fetch nothing: plugins from elsewhere as far as they are in the cache or in vendor/",
    )
    .addHelpText("after", toExamples("xcore config check", "xcore config check --config other.json"))
    .action(async (options: { offline?: boolean }, command: Command) => {
      const flags = options.offline === true ? { plugins: { offline: true } } : {};
      const loaded = loadFor(command, context, flags);
      const { file, exists, config } = loaded;
      const { findRefusals } = await import("../app/refusals.ts");
      const refusals = await findRefusals(loaded);
      const problems = await inspect(command, context, (app) => checkSettings(app, config, context), {
        flags,
      });
      const lines = [...refusals, ...problems.map(({ path, message }) => `${path}: ${message}`)];
      if (lines.length > 0) {
        const what = refusals.length > 0 ? "start with this configuration" : "use the settings of plugins";
        const list = lines.map((line) => `\n  ${line}`).join("");
        throw fail("config_invalid", `Cannot ${what}: ${toCount(lines.length, "problem")}${list}`);
      }
      context.print(exists ? `${file} can be used` : "There is no config.json: every key has its default");
    });
  const config = new Command("config")
    .description("Show, check and describe the configuration")
    .addHelpText("after", toExamples("xcore config", "xcore config check"));
  return addSubcommands(config, [show, schema, check]);
}

/** Lists what is wrong with the settings of plugins, and warns of those that nothing can be said of. */
function checkSettings(
  { plugins }: App,
  { plugins: { settings } }: Config,
  { warn }: CommandContext,
): SettingsProblem[] {
  const records = plugins.list();
  for (const message of findStraySettings(settings, records)) warn(message);
  return records.flatMap(({ name, failure }) => {
    if (failure instanceof SettingsError) return failure.problems;
    if (failure !== null && Object.hasOwn(settings, name))
      warn(
        `plugins.settings.${name}: not checked, as the plugin can't be loaded: ${describeFailure(failure)}`,
      );
    return [];
  });
}
