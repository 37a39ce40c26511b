import type { Command } from "commander";

/**
 * Adds subcommands, the first of which is run when none is named. A word that names none is called an unknown
 * command: commander would hand it to the default one, which then has too many arguments.
 *
 * @param names what the word may have been meant for
 */
export function addSubcommands(
  parent: Command,
  commands: readonly [Command, ...Command[]],
  names: readonly string[] = commands.map((command) => command.name()),
): Command {
  const [first, ...others] = commands;
  first.allowExcessArguments().hook("preAction", async () => {
    const [word] = first.args;
    if (word === undefined) return;
    const { closestWord } = await import("../../errors/suggestion.ts");
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
