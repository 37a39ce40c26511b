import { Command } from "commander";
import type { CommandContext, GlobalOptions } from "./open/command-context.ts";
import { findOtherProject } from "./other-project.ts";
import { serveCommand } from "./serve.ts";
import { toExamples } from "./terminal/output.ts";
import { addSubcommands, showAskedHelp } from "./terminal/subcommands.ts";
import { describeBuild, readBuild } from "./terminal/version.ts";

type CommandLoader = () => Promise<(context: CommandContext) => Command>;

/** Commands beside `serve`, in the order of the help. Each is loaded when it is asked for. */
const COMMANDS: Readonly<Record<string, CommandLoader>> = {
  init: async () => (await import("./init.ts")).initCommand,
  config: async () => (await import("./config.ts")).configCommand,
  plugin: async () => (await import("./plugin/plugin.ts")).pluginCommand,
  db: async () => (await import("./db/db.ts")).dbCommand,
  user: async () => (await import("./user/user.ts")).userCommand,
  jobs: async () => (await import("./jobs/jobs.ts")).jobsCommand,
  tasks: async () => (await import("./tasks/tasks.ts")).tasksCommand,
  mail: async () => (await import("./mail/mail.ts")).mailCommand,
  run: async () => (await import("./run.ts")).runCommand,
  cache: async () => (await import("./cache.ts")).cacheCommand,
  routes: async () => (await import("./routes.ts")).routesCommand,
  openapi: async () => (await import("./openapi.ts")).openApiCommand,
  client: async () => (await import("./client/client.ts")).clientCommand,
  types: async () => (await import("./types.ts")).typesCommand,
  sbom: async () => (await import("./sbom/sbom.ts")).sbomCommand,
  test: async () => (await import("./test.ts")).testCommand,
  doctor: async () => (await import("./doctor/doctor.ts")).doctorCommand,
  service: async () => (await import("./systemd/systemd.ts")).serviceCommand,
  self: async () => (await import("./self/self.ts")).selfCommand,
  "test-host": async () => (await import("./test-host.ts")).testHostCommand,
};
const FINDS_ITS_PROJECT = new Set(["init", "test", "test-host"]);
const HELP = ["--help", "-h"];

/**
 * Builds the command line as far as the arguments ask for it: the command that they name, or all of them with their
 * help. `xcore` alone is `xcore serve`.
 *
 * @throws CommanderError when the arguments are wrong, and once the version or the help is printed that they ask for
 */
export async function createProgram(context: CommandContext, args: readonly string[]): Promise<Command> {
  const program = new Command("xcore")
    .description("Modular business software in one executable")
    .version(
      toVersion(context.version, args),
      "-v, --version",
      "show version, build, commit and Bun; --json for programs",
    )
    .option("-c, --config <file>", "configuration file (default: config.json, which may be missing)")
    .addHelpText("after", toExamples("xcore init", "xcore", "xcore plugin new invoices"));
  prepare(program);
  addSubcommands(program, [serveCommand(context)], ["serve", ...Object.keys(COMMANDS)]);
  const { operands, unknown } = program.parseOptions([...args]);
  for (const [name, load] of findAsked(operands, unknown)) {
    // oxlint-disable-next-line no-await-in-loop -- one, but for the help
    program.addCommand((await load())(context), { hidden: name === "test-host" });
  }
  program.hook("preAction", (_, action) => {
    const isFound = action.optsWithGlobals<GlobalOptions>().config !== undefined;
    const other = isFound || FINDS_ITS_PROJECT.has(action.name()) ? null : findOtherProject(context.cwd);
    if (other !== null) context.warn(other);
  });
  await showAskedHelp(prepare(program), operands);
  return program;
}

function toVersion(version: string, args: readonly string[]): string {
  const build = readBuild(version);
  return args.includes("--json") ? JSON.stringify(build) : describeBuild(build);
}

/** Finds the commands without which the arguments can't be followed. */
function findAsked([word]: readonly string[], unknown: readonly string[]): [string, CommandLoader][] {
  const listsAll = word === undefined ? unknown.some((arg) => HELP.includes(arg)) : word === "help";
  return Object.entries(COMMANDS).filter(([name]) => listsAll || name === word);
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
