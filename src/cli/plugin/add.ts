import { Command } from "commander";
import type { PreparedPlugin } from "../../plugins/remote/installer.ts";
import { parseLocation } from "../../plugins/remote/fetch/location.ts";
import { checkPlaces } from "../../plugins/remote/verification.ts";
import type { CommandContext } from "../open/command-context.ts";
import { openRemote } from "../open/remote.ts";
import { confirm } from "../terminal/prompts.ts";
import { toExamples, withWaitNotice } from "../terminal/output.ts";
import { toChangesText, toInspectionText } from "./inspection-text.ts";

interface AddOptions {
  readonly integrity?: string;
  readonly yes?: boolean;
  readonly dryRun?: boolean;
  readonly json?: boolean;
  readonly offline?: boolean;
}

/** `xcore plugin add URL`: shows what a plugin from elsewhere is and brings, and pins it in config.json. */
export function pluginAddCommand(context: CommandContext): Command {
  return new Command("add")
    .description(
      "Show what a plugin from elsewhere is and brings, and pin it in config.json: a URL of a module, of a " +
        "plugin.json or of a .tgz, npm:name@1.2.3, or a path. None of its code runs before",
    )
    .argument("<url>", "where it is")
    .argument("[mirrors...]", "where else it is: asked in this order when the first fails")
    .option("--integrity <sha256-…>", "what it must be, as its author says")
    .option("--dry-run", "show it, and pin nothing")
    .option("--yes", "don't ask")
    .option("--offline", "ask no host: for paths")
    .option("--json", "print JSON")
    .addHelpText(
      "after",
      toExamples(
        "xcore plugin add https://plugins.example.com/invoices/plugin.json",
        "xcore plugin add npm:@acme/invoices@1.2.3 https://mirror.example.com/invoices-1.2.3.tgz",
        "xcore plugin add ../shared/crm",
      ),
    )
    .action(async (url: string, mirrors: readonly string[], options: AddOptions, command: Command) => {
      const { installer, fetch, configName } = openRemote(command, context, options);
      const places = [url, ...mirrors].map((place) => fromHere(place, context.cwd));
      const preparing = installer.prepare(places, { integrity: options.integrity });
      const prepared = await withWaitNotice(`Fetching ${url} …`, preparing, context.warn);
      const { name, version, integrity: found } = prepared.inspection;
      if (options.json !== true) printPrepared(prepared, context);
      if (mirrors.length > 0) {
        const checking = checkPlaces(places, found, fetch);
        const copies = await withWaitNotice("Comparing the mirrors …", checking, context.warn);
        for (const { where, reason } of copies)
          if (reason !== null) context.warn(`Mirror ${where}: ${reason}`);
      }
      const isWanted =
        options.dryRun !== true && !prepared.isUpToDate && (options.yes || (await ask(prepared)));
      if (isWanted) await installer.commit(prepared);
      if (options.json === true) context.print(JSON.stringify(toJson(prepared, isWanted), null, 2));
      else if (isWanted) {
        context.print(`\nPinned ${name} ${version} in ${configName}: a running server loads it now`);
      } else
        context.print(prepared.isUpToDate ? `\n${name} is pinned to this already` : "\nNothing was changed");
    });
}

/** What `--json` says of a plugin that was looked at. */
export function toJson(
  { inspection, places, changes }: PreparedPlugin,
  isPinned: boolean,
): Record<string, unknown> {
  return { name: inspection.name, urls: places, pinned: isPinned, inspection, changes };
}

function printPrepared({ inspection, changes, isUpToDate }: PreparedPlugin, { print }: CommandContext): void {
  print(toInspectionText(inspection));
  if (changes === null || changes.length === 0 || isUpToDate) return;
  print(`\nWhat differs from the version that is pinned now:\n${toChangesText(changes)}`);
}

function ask({ inspection: { name, version }, isListed }: PreparedPlugin): Promise<boolean> {
  return confirm(`${isListed ? "Pin" : "Add"} ${name} ${version}?`);
}

/** Returns a place as it means it who typed it: paths are those of the folder that the command runs in. */
export function fromHere(place: string, cwd: string): string {
  const location = parseLocation(place, cwd);
  return location.kind === "path" ? location.path : place;
}
