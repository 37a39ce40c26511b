import { Command, InvalidArgumentError, Option } from "commander";
import { JOB_STATES, type JobState } from "../../jobs/admin/desk.ts";
import type { CommandContext } from "../open/command-context.ts";
import { withJobs } from "./desk.ts";
import { toExamples, toTable } from "../terminal/output.ts";

interface ListOptions {
  readonly state?: JobState;
  readonly plugin?: string;
  readonly name?: string;
  readonly limit: number;
  readonly json?: boolean;
}

const MAX_LIMIT = 100;

/** `xcore jobs list`: lists the latest jobs. */
export function jobsListCommand(context: CommandContext): Command {
  return new Command("list")
    .description("List background jobs, the newest first")
    .addOption(new Option("--state <state>", "only those in this state").choices(JOB_STATES))
    .option("--plugin <plugin>", "only those of this plugin")
    .option("--name <plugin:name>", "only those of this name")
    .option("--limit <n>", `how many, at most ${MAX_LIMIT}`, toLimit, 20)
    .option("--json", "print JSON")
    .addHelpText("after", toExamples("xcore jobs list", "xcore jobs list --state dead --json"))
    .action(({ limit, json, ...filter }: ListOptions, command: Command) =>
      withJobs(command, context, async (desk) => {
        const { items, total } = await desk.list(filter, { page: 1, per_page: limit });
        if (json) {
          context.print(JSON.stringify(items, null, 2));
          return;
        }
        const rows = items.map((job) => [
          job.id,
          `${job.plugin}:${job.name}`,
          job.state,
          String(job.attempt),
          job.created_at,
          job.error?.split("\n")[0]?.slice(0, 60) ?? "-",
        ]);
        context.print(toTable([["ID", "NAME", "STATE", "TRIES", "ENQUEUED", "ERROR"], ...rows]));
        if (total !== null && total > items.length) context.print(`\n${total - items.length} more`);
      }),
    );
}

function toLimit(text: string): number {
  const limit = Number(text);
  if (Number.isInteger(limit) && limit >= 1 && limit <= MAX_LIMIT) return limit;
  throw new InvalidArgumentError(`Expected a whole number from 1 to ${MAX_LIMIT}`);
}
