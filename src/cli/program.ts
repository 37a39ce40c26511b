import { Command } from "commander";
import type { CommandContext } from "./open/command-context.ts";
import { configCommand } from "./config.ts";
import { dbCommand } from "./db/db.ts";
import { toExamples } from "./terminal/examples.ts";
import { initCommand } from "./init.ts";
import { openApiCommand } from "./openapi.ts";
import { pluginCommand } from "./plugin/plugin.ts";
import { routesCommand } from "./routes.ts";
import { serveCommand } from "./serve.ts";
import { addSubcommands } from "./terminal/subcommands.ts";
import { testCommand } from "./test.ts";
import { testHostCommand } from "./test-host.ts";
import { typesCommand } from "./types.ts";
import { userCommand } from "./user/user.ts";

/** Builds the command line: every command with its help. `xcore` alone is `xcore serve`. */
export function createProgram(context: CommandContext): Command {
  const program = new Command("xcore")
    .description("Modular business software in one executable")
    .version(context.version, "-v, --version")
    .option("-c, --config <file>", "configuration file (default: config.json, which may be missing)")
    .addHelpText("after", toExamples("xcore init", "xcore", "xcore plugin new invoices"));
  addSubcommands(program, [
    serveCommand(context),
    initCommand(context),
    configCommand(context),
    pluginCommand(context),
    dbCommand(context),
    userCommand(context),
    routesCommand(context),
    openApiCommand(context),
    typesCommand(context),
    testCommand(context),
  ]);
  program.addCommand(testHostCommand(context), { hidden: true });
  return prepare(program);
}

/** Sets how a command and those below it show help and end. */
function prepare(command: Command): Command {
  command
    .configureHelp({ showGlobalOptions: true })
    .showHelpAfterError("Run the command with --help to see how it is used")
    .exitOverride();
  for (const sub of command.commands) prepare(sub);
  return command;
}
