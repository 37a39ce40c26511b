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
    if (word !== undefined) await refuseWord(word, parent, names);
  });
  parent.addCommand(first, { isDefault: true });
  for (const command of others) parent.addCommand(command);
  return parent;
}

/**
 * Shows the help that words such as `help db backup` or `db help backup` ask for, and returns where they ask for none.
 * Commander reads one word after `help`, and shows something else for one that it doesn't know.
 *
 * @throws CommanderError once the help is shown, and for a word that names no command
 */
export async function showAskedHelp(program: Command, words: readonly string[]): Promise<void> {
  let command = program;
  let isAsked = false;
  for (const word of words) {
    if (!isAsked && command.commands.length === 0) return;
    const next = command.commands.find((one) => one.name() === word);
    if (next !== undefined) command = next;
    else if (isAsked) {
      const names = command.createHelp().visibleCommands(command);
      // oxlint-disable-next-line no-await-in-loop -- it ends here
      await refuseWord(
        word,
        command,
        names.map((one) => one.name()),
      );
    } else if (word === "help") isAsked = true;
    else return;
  }
  if (isAsked) command.help();
}

/** @throws CommanderError that calls a word an unknown command, with the one that it may have been meant for */
async function refuseWord(word: string, parent: Command, names: readonly string[]): Promise<never> {
  const { closestWord } = await import("../../errors/suggestion.ts");
  const meant = closestWord(word, names);
  return parent.error(
    `error: unknown command '${word}'${meant === undefined ? "" : `\n(Did you mean ${meant}?)`}`,
    { code: "commander.unknownCommand" },
  );
}
