import type { Command } from "commander";
import { closestWord } from "../../config/suggestion.ts";

/**
 * Adds subcommands, the first of which is run when none is named. A word that names none is called an unknown
 * command: commander would hand it to the default one, which then has too many arguments.
 */
export function addSubcommands(parent: Command, commands: readonly [Command, ...Command[]]): Command {
  const [first, ...others] = commands;
  first.allowExcessArguments().hook("preAction", () => {
    const [word] = first.args;
    if (word === undefined) return;
    const names = parent.commands.map((command) => command.name());
    const meant = closestWord(word, names);
    parent.error(
      `error: unknown command '${word}'${meant === undefined ? "" : `\n(Did you mean ${meant}?)`}`,
      {
        code: "commander.unknownCommand",
      },
    );
  });
  parent.addCommand(first, { isDefault: true });
  for (const command of others) parent.addCommand(command);
  return parent;
}
