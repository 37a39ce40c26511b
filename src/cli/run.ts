import { Command, Option } from "commander";
import type { App } from "../app/app.ts";
import { closestWord } from "../errors/suggestion.ts";
import { fail } from "../plugins/failure/error-codes.ts";
import type { PluginCommand } from "../plugins/given/commands.ts";
import type { PluginRecord } from "../plugins/inventory/record.ts";
import { type CommandContext, loadFor } from "./open/command-context.ts";
import { inspect } from "./open/inspection.ts";
import { withRunningApp } from "./open/running.ts";
import { toExamples, toTable } from "./terminal/output.ts";

const DESCRIPTION = "Run a command that a plugin has registered";
const EXAMPLES = toExamples(
  "xcore run --help",
  "xcore run blog --help",
  "xcore run blog import articles.csv",
);
const CONFIG = new Set(["-c", "--config"]);
const HELP = new Set(["--help", "-h"]);

/** What the plugins of a project offer. */
interface Offer {
  readonly commands: readonly PluginCommand[];
  /** Each plugin, with the reason of those that can't be loaded. */
  readonly plugins: ReadonlyMap<string, Pick<PluginRecord, "failure" | "isActive">>;
}

/** A command that is asked for, with what its handler gets. */
interface Asked {
  readonly plugin: string;
  readonly name: string;
  readonly input: Readonly<Record<string, unknown>>;
}

/** `xcore run PLUGIN COMMAND …`: runs a command that a plugin has registered. */
export function runCommand(context: CommandContext): Command {
  return new Command("run")
    .description(DESCRIPTION)
    .usage("<plugin> <command> [arguments...]")
    .argument("[words...]")
    .allowUnknownOption()
    .helpOption(false) // the help lists the commands of the plugins
    .addHelpText("after", EXAMPLES)
    .action(async (_words: readonly string[], _options: object, command: Command) => {
      // First the plugins are only looked at: wrong usage touches nothing.
      const offer = await inspect(command, context, toOffer, { goesOn: true });
      const asked = await parseWords(findWords(command), offer, context);
      if (asked !== null) await run(asked, command, context);
    });
}

/** What stands behind `run`, as it was typed: a "--" in it is for the plugin's command. */
function findWords(command: Command): string[] {
  const { rawArgs } = command.parent as unknown as { readonly rawArgs: readonly string[] };
  const start = rawArgs.findIndex((word, index) => word === "run" && !CONFIG.has(rawArgs[index - 1] ?? ""));
  return rawArgs.slice(start + 1);
}

function toOffer({ plugins }: App): Offer {
  const records = plugins.list().map((record) => [record.name, record] as const);
  return { commands: plugins.commands(), plugins: new Map(records) };
}

/**
 * Finds out which command is asked for, or shows the help.
 *
 * @returns null when the words ask for nothing to be run
 * @throws CommanderError for wrong usage, and once the help is shown
 * @throws AppError plugin_not_found; PluginError for one that can't be loaded
 */
async function parseWords(
  words: readonly string[],
  offer: Offer,
  { print, warn }: CommandContext,
): Promise<Asked | null> {
  let asked: Asked | null = null;
  const root = new Command("xcore run").description(DESCRIPTION).usage("<plugin> <command> [arguments...]");
  root.configureHelp({ visibleCommands: (command) => (command === root ? [] : [...command.commands]) });
  root.addHelpText("after", `\n${toList(offer)}\n${EXAMPLES}`);
  for (const [plugin, commands] of Map.groupBy(offer.commands, ({ plugin: name }) => name)) {
    const group = root.command(plugin).description(`Commands of the plugin "${plugin}"`);
    for (const command of commands) {
      group.addCommand(toCommander(command, (input) => (asked = { plugin, name: command.name, input })));
    }
  }
  const output = {
    writeOut: (text: string) => print(text.trimEnd()),
    writeErr: (text: string) => warn(text.trimEnd()),
  };
  for (const command of [root, ...root.commands, ...root.commands.flatMap(({ commands }) => commands)]) {
    command
      .addOption(new Option("-c, --config <file>").hideHelp()) // it has been followed
      .helpCommand(false)
      .exitOverride()
      .configureOutput(output)
      .showHelpAfterError("Run the command with --help to see how it is used");
  }
  const { operands, unknown } = root.parseOptions([...words]);
  const [plugin] = operands;
  if (plugin === undefined) return root.help({ error: !unknown.some((word) => HELP.has(word)) });
  assertOffered(plugin, offer);
  await root.parseAsync([...words], { from: "user" });
  return asked;
}

/** Makes of what a plugin has registered what commander understands. */
function toCommander(
  { name, description, arguments: args, options }: PluginCommand,
  onAsked: (input: Record<string, unknown>) => void,
): Command {
  const command = new Command(name).description(description);
  for (const { text } of args) command.argument(text);
  for (const { flags, description: text } of options) command.option(flags, text);
  return command.action((...given: unknown[]) => {
    const values = given[args.length] as Record<string, unknown>;
    const named = args.map(({ key }, index) => [key, given[index]] as const);
    const chosen = options.map(({ key, takesValue }) => [
      key,
      values[key] ?? (takesValue ? undefined : false),
    ]);
    onAsked(Object.fromEntries([...named, ...chosen].filter(([, value]) => value !== undefined)));
  });
}

function toList({ commands }: Offer): string {
  if (commands.length === 0) return "No plugin has registered a command.";
  const rows = commands.map(({ plugin, name, arguments: args, description }) => [
    `  ${[plugin, name, ...args.map(({ text }) => text)].join(" ")}`,
    description,
  ]);
  return `Commands:\n${toTable(rows)}`;
}

function assertOffered(plugin: string, { commands, plugins }: Offer): void {
  const known = plugins.get(plugin);
  if (known?.failure) throw known.failure;
  if (commands.some((command) => command.plugin === plugin)) return;
  if (known !== undefined) {
    const off = `it is disabled; run \`xcore plugin enable ${plugin}\``;
    const reason = known.isActive ? "it has registered none" : off;
    throw fail("not_found", `Cannot run a command of "${plugin}": ${reason}`);
  }
  const meant = closestWord(plugin, [...plugins.keys()]);
  const hint = meant === undefined ? "see `xcore run --help`" : `did you mean "${meant}"?`;
  throw fail("plugin_not_found", `Cannot find plugin "${plugin}": there is none; ${hint}`);
}

async function run({ plugin, name, input }: Asked, command: Command, context: CommandContext): Promise<void> {
  await withRunningApp(
    (shared) => loadFor(command, context, COMMAND_CONFIG, shared),
    context,
    async ({ plugins }) => {
      const failure = plugins.list().find((record) => record.name === plugin)?.failure;
      if (failure) throw failure;
      const found = plugins.commands().find((one) => one.plugin === plugin && one.name === name);
      if (found !== undefined) return found.run(input);
      throw fail(
        "not_found",
        `Cannot run "${name}" of "${plugin}": it isn't there once the plugin is set up`,
      );
    },
  );
}

/** Logs go to standard error alone: the running server writes the files, and the answer stands on standard output. */
const COMMAND_CONFIG = { logging: { console: true }, plugins: { watch: false } } as const;
