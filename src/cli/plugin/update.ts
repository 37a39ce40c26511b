import { Command } from "commander";
import { AppError } from "../../errors/errors.ts";
import type { WaitingFit } from "../../jobs/admin/desk.ts";
import { fail } from "../../plugins/failure/error-codes.ts";
import { PluginError } from "../../plugins/failure/failure.ts";
import type { PreparedPlugin } from "../../plugins/remote/installer.ts";
import type { CommandContext } from "../open/command-context.ts";
import { type CommandRemote, openRemote } from "../open/remote.ts";
import { confirm } from "../terminal/prompts.ts";
import { toExamples, withWaitNotice } from "../terminal/output.ts";
import { describeFailure } from "../../app/failure-text.ts";
import { NO_SURFACE, toChangesText, toInspectionText } from "./inspection-text.ts";
import { fromHere, toJson } from "./add.ts";
import { compareWaitingJobs, toWaitingLines } from "./waiting-jobs.ts";

interface UpdateOptions {
  readonly yes?: boolean;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

/** `xcore plugin update [NAME]`: pins plugins from elsewhere to what their places give now. */
export function pluginUpdateCommand(context: CommandContext): Command {
  return new Command("update")
    .description(
      "Fetch plugins from elsewhere anew, show what differs from what is pinned, and pin that: all of them, or one",
    )
    .argument("[name]", "name of the plugin")
    .argument("[url]", "where the new version is; without it, where the pinned one is, of npm the latest")
    .option("--dry-run", "show what differs, and change nothing")
    .option("--yes", "don't ask")
    .option("--json", "print JSON")
    .addHelpText(
      "after",
      toExamples(
        "xcore plugin update",
        "xcore plugin update invoices --dry-run",
        "xcore plugin update invoices https://plugins.example.com/invoices-1.1.0.tgz",
      ),
    )
    .action(
      async (name: string | undefined, url: string | undefined, options: UpdateOptions, command: Command) => {
        const remote = openRemote(command, context);
        const compare = (prepared: PreparedPlugin) => compareWaitingJobs(prepared, command, context);
        const update = new Update(remote, { ...options, compare }, context);
        const names = Object.keys(remote.settings.entries).toSorted();
        if (name === undefined) {
          // oxlint-disable-next-line no-await-in-loop -- each is asked for
          for (const one of names) await update.tryRun(one);
        } else {
          await update.run(name, url === undefined ? undefined : fromHere(url, context.cwd));
        }
        if (options.json === true) context.print(JSON.stringify(update.results, null, 2));
        else if (name === undefined && names.length === 0)
          context.print("Nothing to update: plugins.remote lists no plugin");
        if (update.failed.length === 0) return;
        throw fail("plugin_unavailable", `Cannot update ${update.failed.join(", ")}: see above`);
      },
    );
}

interface Comparing extends UpdateOptions {
  /** Tells how the plugin's waiting jobs fit. */
  readonly compare: (prepared: PreparedPlugin) => Promise<WaitingFit | null>;
}

/** What one run of the command has done. */
class Update {
  readonly results: Record<string, unknown>[] = [];
  /** Names of the plugins that couldn't be updated. */
  readonly failed: string[] = [];
  readonly #remote: CommandRemote;
  readonly #options: Comparing;
  readonly #context: CommandContext;

  constructor(remote: CommandRemote, options: Comparing, context: CommandContext) {
    this.#remote = remote;
    this.#options = options;
    this.#context = context;
  }

  /** Updates a plugin; when it can't, that is said, and kept in `failed`. */
  async tryRun(name: string): Promise<void> {
    try {
      await this.run(name);
    } catch (error) {
      if (!(error instanceof PluginError || error instanceof AppError)) throw error;
      this.#context.warn(`${name}: ${describeFailure(error)}`);
      this.failed.push(name);
    }
  }

  /** Updates a plugin. @throws PluginError or AppError when it can't */
  async run(name: string, url?: string): Promise<void> {
    const { installer } = this.#remote;
    const newest = installer.newestPlacesOf(name);
    const preparing = installer.prepare(url === undefined ? newest : [url], { name });
    const prepared = await withWaitNotice(`Fetching ${name} …`, preparing, this.#context.warn);
    if (prepared.isUpToDate) this.#print(`${name} is up to date`);
    const waiting = await this.#options.compare(prepared);
    const isWanted = !prepared.isUpToDate && (await this.#show(prepared, waiting));
    if (isWanted) await installer.commit(prepared);
    this.results.push(toJson(prepared, { isPinned: isWanted, waiting }));
    if (isWanted) this.#print(`Pinned ${name} ${prepared.inspection.version}: a running server swaps it now`);
  }

  /** Returns whether it is to be pinned. */
  async #show({ inspection, changes }: PreparedPlugin, waiting: WaitingFit | null): Promise<boolean> {
    const { name } = inspection;
    if (changes === null)
      this.#print(`${toInspectionText(inspection)}\n(There is no pinned version to compare with)`);
    else if (changes.length === 0) this.#print(`${name}: the same, at another place`);
    else this.#print(`${name}\n${toChangesText(changes)}`);
    if (changes !== null && inspection.surface === null) this.#print(`  surface: ${NO_SURFACE}`);
    for (const line of waiting === null ? [] : toWaitingLines(waiting)) this.#print(line);
    if (this.#options.dryRun === true) return false;
    return this.#options.yes === true || confirm(`Update ${name}?`);
  }

  #print(text: string): void {
    if (this.#options.json !== true) this.#context.print(text);
  }
}
