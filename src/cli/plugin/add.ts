import { Command } from "commander";
import type { WaitingFit } from "../../jobs/admin/desk.ts";
import { fail } from "../../plugins/failure/error-codes.ts";
import type { PreparedPlugin } from "../../plugins/remote/installer.ts";
import { parseLocation } from "../../plugins/remote/fetch/location.ts";
import { checkPlaces } from "../../plugins/remote/verification.ts";
import type { CommandContext } from "../open/command-context.ts";
import { loadCommandPlugins } from "../open/plugins.ts";
import { type CommandRemote, openRemote } from "../open/remote.ts";
import { confirm } from "../terminal/prompts.ts";
import { toExamples, withWaitNotice } from "../terminal/output.ts";
import { toChangesText, toInspectionText } from "./inspection-text.ts";
import { inOrderOfNeed, listMissing } from "./needs.ts";
import { compareWaitingJobs, toWaitingLines } from "./waiting-jobs.ts";

interface AddOptions {
  readonly integrity?: string;
  readonly mirror: readonly string[];
  readonly yes?: boolean;
  readonly dryRun?: boolean;
  readonly json?: boolean;
  readonly offline?: boolean;
}

/** `xcore plugin add URL…`: shows what plugins from elsewhere are and bring, and pins them in config.json. */
export function pluginAddCommand(context: CommandContext): Command {
  return new Command("add")
    .description(
      "Show what plugins from elsewhere are and bring, and pin them in config.json: URLs of a module, of a " +
        "plugin.json or of a .tgz, npm:name@1.2.3, or paths. None of their code runs before",
    )
    .argument("<urls...>", "where they are, one plugin each")
    .option(
      "--mirror <url>",
      "where else the plugin is, when it is one: asked when the first fails; can be repeated",
      (url, mirrors: readonly string[]) => [...mirrors, url],
      [] as readonly string[],
    )
    .option("--integrity <sha256-…>", "what the plugin must be, when it is one, as its author says")
    .option("--dry-run", "show them, and pin nothing")
    .option("--yes", "don't ask")
    .option("--offline", "ask no host: for paths")
    .option("--json", "print JSON")
    .addHelpText(
      "after",
      toExamples(
        "xcore plugin add https://plugins.example.com/invoices/plugin.json",
        "xcore plugin add npm:@acme/invoices@1.2.3 --mirror https://mirror.example.com/invoices-1.2.3.tgz",
        "xcore plugin add ../shared/erp_core ../shared/crm",
      ),
    )
    .action(async (urls: readonly string[], options: AddOptions, command: Command) => {
      if (urls.length > 1) assertOne(options);
      const remote = openRemote(command, context, options);
      const compare = (one: PreparedPlugin) => compareWaitingJobs(one, command, context);
      const prepared: (PreparedPlugin & { readonly waiting: WaitingFit | null })[] = [];
      for (const url of urls) {
        // oxlint-disable-next-line no-await-in-loop -- told in the order in which they were named
        prepared.push(await prepare(url, remote, { options, context, prepared, compare }));
      }
      const { plugins } = await loadCommandPlugins(command, context, { plugins: { offline: true } });
      const inspections = prepared.map(({ inspection }) => inspection);
      for (const reason of listMissing(inspections, plugins)) context.warn(reason);
      const wanted = prepared.filter(({ isUpToDate }) => options.dryRun !== true && !isUpToDate);
      const isWanted = wanted.length > 0 && (options.yes === true || (await ask(wanted)));
      if (isWanted) {
        // oxlint-disable-next-line no-await-in-loop -- one file
        for (const one of inOrderOfNeed(wanted)) await remote.installer.commit(one);
      }
      const results = prepared.map((one) =>
        toJson(one, { isPinned: isWanted && wanted.includes(one), waiting: one.waiting }),
      );
      if (options.json === true) {
        context.print(JSON.stringify(urls.length === 1 ? results[0] : results, null, 2));
        return;
      }
      context.print(`\n${toOutcome(prepared, isWanted ? wanted : [], remote).join("\n")}`);
    });
}

function assertOne({ mirror, integrity }: AddOptions): void {
  const option = mirror.length > 0 ? "--mirror" : integrity === undefined ? null : "--integrity";
  if (option === null) return;
  throw fail("validation_error", `Cannot use ${option} for several plugins: add one at a time`);
}

/** Fetches a plugin and shows it. */
async function prepare(
  url: string,
  { installer, fetch }: CommandRemote,
  more: {
    readonly options: AddOptions;
    readonly context: CommandContext;
    readonly prepared: readonly PreparedPlugin[];
    readonly compare: (prepared: PreparedPlugin) => Promise<WaitingFit | null>;
  },
): Promise<PreparedPlugin & { readonly waiting: WaitingFit | null }> {
  const { options, context, prepared: others, compare } = more;
  const places = [url, ...options.mirror].map((place) => fromHere(place, context.cwd));
  const preparing = installer.prepare(places, { integrity: options.integrity });
  const prepared = await withWaitNotice(`Fetching ${url} …`, preparing, context.warn);
  const { name, integrity } = prepared.inspection;
  const same = others.find(({ inspection }) => inspection.name === name);
  if (same !== undefined) {
    const reason = `"${same.inspection.location}" gives "${name}" too`;
    throw fail(
      "validation_error",
      `Cannot add "${url}": ${reason}; name a mirror of it with --mirror "${url}"`,
    );
  }
  const waiting = await compare(prepared);
  if (options.json !== true) {
    if (others.length > 0) context.print("");
    printPrepared(prepared, context);
    for (const line of waiting === null ? [] : toWaitingLines(waiting)) context.print(line);
  }
  if (options.mirror.length > 0) {
    const checking = checkPlaces(places, integrity, fetch);
    const copies = await withWaitNotice("Comparing the mirrors …", checking, context.warn);
    for (const { where, reason } of copies) if (reason !== null) context.warn(`Mirror ${where}: ${reason}`);
  }
  return { ...prepared, waiting };
}

function toOutcome(
  prepared: readonly PreparedPlugin[],
  pinned: readonly PreparedPlugin[],
  { configName }: CommandRemote,
): string[] {
  const known = prepared.filter(({ isUpToDate }) => isUpToDate);
  const lines = known.map(({ inspection: { name } }) => `${name} is pinned to this already`);
  if (pinned.length > 0) {
    const names = toNames(pinned);
    lines.push(
      `Pinned ${names} in ${configName}: a running server loads ${pinned.length === 1 ? "it" : "them"} now`,
    );
  } else if (known.length < prepared.length) lines.push("Nothing was changed");
  return lines;
}

/** What `--json` says of a plugin that was looked at. */
export function toJson(
  { inspection, places, changes }: PreparedPlugin,
  { isPinned, waiting }: { readonly isPinned: boolean; readonly waiting: WaitingFit | null },
): Record<string, unknown> {
  const { name } = inspection;
  return { name, urls: places, pinned: isPinned, inspection, changes, waiting_jobs: waiting };
}

function printPrepared({ inspection, changes, isUpToDate }: PreparedPlugin, { print }: CommandContext): void {
  print(toInspectionText(inspection));
  if (changes === null || changes.length === 0 || isUpToDate) return;
  print(`\nWhat differs from the version that is pinned now:\n${toChangesText(changes)}`);
}

function ask(wanted: readonly PreparedPlugin[]): Promise<boolean> {
  return confirm(`${wanted.every(({ isListed }) => isListed) ? "Pin" : "Add"} ${toNames(wanted)}?`);
}

function toNames(prepared: readonly PreparedPlugin[]): string {
  const names = prepared.map(({ inspection: { name, version } }) => `${name} ${version}`);
  return new Intl.ListFormat("en", { style: "long", type: "conjunction" }).format(names);
}

/** Returns a place as it means it who typed it: paths are those of the folder that the command runs in. */
export function fromHere(place: string, cwd: string): string {
  const location = parseLocation(place, cwd);
  return location.kind === "path" ? location.path : place;
}
