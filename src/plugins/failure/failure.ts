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
