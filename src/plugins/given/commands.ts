import type { PluginCli } from "../../sdk/commands.ts";
import type { Scope, Undo } from "./scope.ts";

/** An argument of a command, in the order in which they are given. */
export interface CommandArgument {
  /** As it is written: "<file>", "[others...]". */
  readonly text: string;
  /** What the handler knows it by. */
  readonly key: string;
  readonly isVariadic: boolean;
}

/** An option of a command. */
export interface CommandOption {
  /** As they are written: "-l, --limit <n>". */
  readonly flags: string;
  readonly description: string;
  /** What the handler knows it by. */
  readonly key: string;
  readonly takesValue: boolean;
}

/** A command that a plugin has registered. */
export interface PluginCommand {
  readonly plugin: string;
  readonly name: string;
  readonly description: string;
  readonly arguments: readonly CommandArgument[];
  readonly options: readonly CommandOption[];
  readonly run: (input: Readonly<Record<string, unknown>>) => unknown;
}

const NAME = /^[a-z][a-z0-9_-]{0,63}$/;
const ARGUMENT = /^(?:<([a-z][a-z0-9_-]*)(\.\.\.)?>|\[([a-z][a-z0-9_-]*)(\.\.\.)?\])$/i;
const FLAGS = /^(?:-[a-z], )?--([a-z][a-z0-9-]*)( <[a-z][a-z0-9_-]*>)?$/i;
/** What every command of xcore understands. */
const TAKEN = new Set(["-h", "--help", "-c", "--config", "-v", "--version"]);

/** The commands of all plugins, as they are registered now. */
export class PluginCommands {
  readonly #commands = new Set<PluginCommand>();

  add(command: PluginCommand): Undo {
    this.#commands.add(command);
    return () => void this.#commands.delete(command);
  }

  /** In the order in which they were registered. */
  list(): readonly PluginCommand[] {
    return [...this.#commands];
  }
}

/** Creates the `cli` of one generation of a plugin. */
export function createPluginCli(
  plugin: string,
  { commands, scope }: { readonly commands: PluginCommands; readonly scope: Scope },
): PluginCli {
  const names = new Set<string>();
  return {
    command(usage, description, handler, { options = {} } = {}) {
      if (typeof handler !== "function") {
        throw new TypeError(`Cannot add the command "${usage}": its third argument must be a function`);
      }
      const command: PluginCommand = {
        plugin,
        description,
        ...parseUsage(usage),
        options: Object.entries<string>(options).map(([flags, text]) => parseFlags(flags, text)),
        run: handler as PluginCommand["run"],
      };
      assertDistinct(usage, command);
      if (names.has(command.name)) throw refuse(usage, `there is a command "${command.name}" already`);
      names.add(command.name);
      const undo = scope.register(() => commands.add(command));
      return () => {
        names.delete(command.name);
        undo();
      };
    },
  };
}

function parseUsage(usage: string): Pick<PluginCommand, "name" | "arguments"> {
  const [name = "", ...words] = usage.split(" ");
  if (!NAME.test(name)) throw refuse(usage, 'it must begin with a name such as "import"');
  const parsed = words.map((text) => {
    const [, needed, some, optional, any] = ARGUMENT.exec(text) ?? [];
    const argument = needed ?? optional;
    if (argument === undefined) throw refuse(usage, `expected <argument> or [argument], found "${text}"`);
    return { text, key: toKey(argument), isVariadic: (some ?? any) !== undefined };
  });
  for (const [index, { text, isVariadic }] of parsed.entries()) {
    const next = parsed[index + 1];
    if (next === undefined) continue;
    if (isVariadic) throw refuse(usage, `"${text}" takes all that follows, so it must be the last`);
    if (text.startsWith("[") && next.text.startsWith("<"))
      throw refuse(usage, `"${next.text}" is required, so it must come before "${text}"`);
  }
  return { name, arguments: parsed };
}

function parseFlags(flags: string, description: string): CommandOption {
  const [, name, value] = FLAGS.exec(flags) ?? [];
  if (name === undefined || name.startsWith("no-")) {
    throw new TypeError(
      `Cannot add the option "${flags}": write it as "--dry-run", "--limit <n>" or "-l, --limit <n>"`,
    );
  }
  const taken = flags.split(/, | /).find((flag) => TAKEN.has(flag));
  if (taken !== undefined) {
    throw new TypeError(`Cannot add the option "${flags}": every command of xcore has a "${taken}"`);
  }
  return { flags, description, key: toKey(name), takesValue: value !== undefined };
}

/** The handler gets all of them in one object. */
function assertDistinct(usage: string, command: PluginCommand): void {
  const keys = [...command.arguments, ...command.options].map(({ key }) => key);
  const twice = keys.find((key, index) => keys.indexOf(key) !== index);
  if (twice !== undefined) throw refuse(usage, `"${twice}" stands for two things in it`);
}

function toKey(name: string): string {
  return name.replaceAll(/-+(.)/g, (_, letter: string) => letter.toUpperCase());
}

function refuse(usage: string, reason: string): TypeError {
  return new TypeError(`Cannot add the command "${usage}": ${reason}`);
}
