import { existsSync } from "node:fs";
import type { Command } from "commander";
import { describeFailure } from "../../app/failure-text.ts";
import { parseDatabaseUrl } from "../../db/contract/database-url.ts";
import type { WaitingFit } from "../../jobs/admin/desk.ts";
import type { PreparedPlugin } from "../../plugins/remote/installer.ts";
import { withJobs } from "../jobs/desk.ts";
import { type CommandContext, loadFor } from "../open/command-context.ts";
import { toCell } from "./inspection-text.ts";

/**
 * Looks how the jobs of a plugin that wait fit the version that would replace the pinned one. Nothing is written. That it
 * can't be told, since the database is away, keeps nobody from pinning: it is said.
 *
 * @returns null when it would replace none, and when that can't be told
 */
export async function compareWaitingJobs(
  { inspection, isListed, isUpToDate }: PreparedPlugin,
  command: Command,
  context: CommandContext,
): Promise<WaitingFit | null> {
  if (!isListed || isUpToDate) return null;
  const { name, surface } = inspection;
  try {
    if (isWithoutDatabase(command, context)) return { checked: 0, complete: true, jobs: [] };
    const { mendFormats } = await import("../../sdk/formats.ts"); // as they are where jobs run
    mendFormats();
    return await withJobs(command, context, (desk) => desk.compareWaiting(name, surface?.jobs ?? null), {
      changes: false,
    });
  } catch (error) {
    context.warn(
      `Cannot tell how the waiting jobs of ${name} fit the new version: ${describeFailure(error)}`,
    );
    return null;
  }
}

/** Says how waiting jobs fit a version, a line each; none when none wait. */
export function toWaitingLines({ checked, complete, jobs }: WaitingFit): string[] {
  if (jobs.length === 0) return [];
  const troubled = jobs.flatMap(toLines);
  const few = complete ? "" : ` of more: only the first ${checked} were looked at`;
  const whole = `waiting jobs: ${checked}${troubled.length === 0 ? ", which fit" : ""}${few}`;
  return [`  ${whole}`, ...troubled.map((line) => `    ${toCell(line)}`)];
}

function toLines({
  name,
  waiting,
  unfit,
  unchecked,
  declared,
  examples,
}: WaitingFit["jobs"][number]): string[] {
  const lines: string[] = [];
  if (declared === false) {
    const fate = "unless its setup() does, they wait for a version that does";
    lines.push(`! ${waiting} of ${name}: the new version doesn't define it at its top level; ${fate}`);
  }
  if (unfit > 0) {
    const fate = `${unfit === 1 ? "doesn't" : "don't"} fit, and will be set aside as incompatible`;
    lines.push(`! ${unfit} of ${waiting} ${name} ${fate}`);
    lines.push(...examples.map(({ id, reason }) => `  ${id}  ${reason}`));
    if (unfit > examples.length) lines.push(`  and ${unfit - examples.length} more`);
  }
  if (unchecked > 0) {
    const reason =
      declared === null
        ? "doesn't say what their payloads must be"
        : "says nothing that they can be checked by";
    lines.push(`? ${unchecked} of ${name}: known once it runs, since the new version ${reason}`);
  }
  return lines;
}

/** Opening one that isn't there would make it. */
function isWithoutDatabase(command: Command, context: CommandContext): boolean {
  const { config, directory } = loadFor(command, context);
  const url = parseDatabaseUrl(config.database.url, directory);
  return url.dialect === "sqlite" && !existsSync(url.file);
}
