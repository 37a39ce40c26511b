import { Command } from "commander";
import { toConfigJsonSchema } from "../config/json-schema.ts";
import { maskConfig } from "../config/load.ts";
import { type CommandContext, loadFor } from "./open/command-context.ts";
import { toExamples } from "./terminal/output.ts";
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
    .description("Say whether the configuration can be used, and everything that is wrong with it")
    .addHelpText("after", toExamples("xcore config check", "xcore config check --config other.json"))
    .action((_options: object, command: Command) => {
      const { file, exists } = loadFor(command, context);
      context.print(exists ? `${file} can be used` : "There is no config.json: every key has its default");
    });
  const config = new Command("config")
    .description("Show, check and describe the configuration")
    .addHelpText("after", toExamples("xcore config", "xcore config check"));
  return addSubcommands(config, [show, schema, check]);
}
