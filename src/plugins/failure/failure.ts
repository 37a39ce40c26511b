import { toPrintable } from "../../errors/printable.ts";

const MAX_MESSAGE = 8000; // characters

/** Where in its life a plugin failed. */
export type PluginStage =
  | "fetch"
  | "manifest"
  | "dependencies"
  | "install"
  | "bundle"
  | "migrate"
  | "import"
  | "settings"
  | "templates"
  | "setup";

/** Why a plugin could not be loaded, and where in its own source. */
export class PluginError extends Error {
  override readonly name = "PluginError";
  readonly stage: PluginStage;
  /** Path to show, such as "plugins/blog/run.ts"; null when no file is at fault. */
  readonly file: string | null;
  readonly line: number | null;

  constructor(
    stage: PluginStage,
    message: string,
    options: { file?: string | null; line?: number | null; cause?: unknown } = {},
  ) {
    // It may quote what a stranger wrote, at any length.
    super(
      toPrintable(message.slice(0, MAX_MESSAGE).toWellFormed()),
      options.cause === undefined ? undefined : { cause: options.cause },
    );
    this.stage = stage;
    this.file = options.file ?? null;
    this.line = options.line ?? null;
  }

  /** "plugins/blog/run.ts:12", or null. */
  get location(): string | null {
    return this.file === null ? null : this.line === null ? this.file : `${this.file}:${this.line}`;
  }
}

/** One thing that is wrong with the settings of a plugin. */
export interface SettingsProblem {
  /** Where it is written: "plugins.settings.shop.currency", `config.currency of the manifest of "shop"`. */
  readonly path: string;
  readonly message: string;
}

/** The settings of a plugin aren't what its `settings` say. */
export class SettingsError extends PluginError {
  readonly problems: readonly SettingsProblem[];

  constructor(plugin: string, problems: readonly SettingsProblem[]) {
    const count = problems.length === 1 ? "" : ` (${problems.length} problems)`;
    const lines = problems.map(({ path, message }) => `${path}: ${message}`);
    super("settings", `Cannot use the settings of "${plugin}"${count}: ${lines.join("; ")}`);
    this.problems = problems;
  }
}

/**
 * Returns what to say for a message of Bun about code that it can't read: its own words, but for a macro.
 * A macro is code that runs while other code is read: before a plugin is pinned, and without being part of its bundle.
 * Bun is told to run none.
 */
export function explainMacro(message: string): string {
  if (!message.includes("Macros are disabled")) return message;
  return 'Cannot use a macro: it would run while the plugin is read and bundled; import it without { type: "macro" }';
}

/** Why a plugin could not be fetched from a place, or from any of its places. */
export class FetchError extends PluginError {
  /** Whether the network is at fault, or a host that is out of order: another try may have more luck. */
  readonly isTransient: boolean;
  /** Status that a host has answered with; null when it isn't the reason. */
  readonly status: number | null;

  constructor(
    message: string,
    options: { isTransient?: boolean; status?: number | null; cause?: unknown } = {},
  ) {
    super("fetch", message, { cause: options.cause });
    this.isTransient = options.isTransient ?? false;
    this.status = options.status ?? null;
  }
}

/** Why a plugin can't be used, after the place in its source. */
export function describePluginError({ location, message }: PluginError): string {
  return location === null ? message : `${toPrintable(location)}: ${message}`;
}
