type Camel<Name extends string> = Name extends `${infer First}-${infer Rest}`
  ? `${First}${Capitalize<Camel<Rest>>}`
  : Name;

type ArgumentOf<Word extends string> = Word extends `<${infer Name}...>`
  ? { readonly [Key in Camel<Name>]: readonly string[] }
  : Word extends `[${infer Name}...]`
    ? { readonly [Key in Camel<Name>]: readonly string[] }
    : Word extends `<${infer Name}>`
      ? { readonly [Key in Camel<Name>]: string }
      : Word extends `[${infer Name}]`
        ? { readonly [Key in Camel<Name>]?: string }
        : unknown;

type ArgumentsOf<Usage extends string> = Usage extends `${infer Word} ${infer Rest}`
  ? ArgumentOf<Word> & ArgumentsOf<Rest>
  : ArgumentOf<Usage>;

type OptionOf<Flags extends string> = Flags extends `-${string}, --${infer Rest}`
  ? OptionOf<`--${Rest}`>
  : Flags extends `--${infer Name} <${string}>`
    ? { readonly [Key in Camel<Name>]?: string }
    : Flags extends `--${infer Name}`
      ? { readonly [Key in Camel<Name>]: boolean }
      : unknown;

type OptionsOf<Flags extends string> = (
  [Flags] extends [never] ? unknown : Flags extends string ? (input: OptionOf<Flags>) => void : never
) extends (input: infer All) => void
  ? All
  : unknown;

/** What the handler of a command gets: arguments and options by their names, with dashes turned into camelCase. */
export type CommandInput<Usage extends string, Flags extends string = never> = ArgumentsOf<Usage> &
  OptionsOf<Flags>;

/** More of a command. */
export interface CommandOptions<Flags extends string = string> {
  /**
   * Descriptions by flag: "--dry-run" is true or false, "--limit <n>" a text that may be missing, "-l, --limit <n>" has a
   * short form too.
   */
  readonly options?: Readonly<Record<Flags, string>>;
}

/** The commands of a plugin, which `xcore run` runs. */
export interface PluginCli {
  /**
   * Adds a command: `xcore run <plugin> <usage>`. It runs in a process of its own, with all plugins loaded and set up as
   * in the server, and without the web server. What the handler throws ends it with exit code 1.
   *
   * @param usage its name and its arguments: `<required>`, `[optional]`, and last `<some...>` or `[any...]`
   * @param description what it does, for `--help`
   * @returns its undo
   * @throws TypeError for a usage or options that can't be read, and for a command that is there already
   *
   * @example
   * cli.command("import <file>", "Import articles from a CSV file", async ({ file, dryRun }) => { … }, {
   *   options: { "--dry-run": "Say what would be imported, and import nothing" },
   * });
   */
  command<const Usage extends string, const Flags extends string = never>(
    usage: Usage,
    description: string,
    handler: (input: CommandInput<Usage, Flags>) => unknown,
    options?: CommandOptions<Flags>,
  ): () => void;
}
