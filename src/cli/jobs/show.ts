import { Command } from "commander";
import type { CommandContext } from "../open/command-context.ts";
import { EXAMPLE, toJobId, withJobs } from "./desk.ts";
import { toExamples, toTable } from "../terminal/output.ts";

/** `xcore jobs show ID`: tells all about a job. */
export function jobsShowCommand(context: CommandContext): Command {
  return new Command("show")
    .description("Show a background job, with its payload and the steps that are done")
    .argument("<id>", "which job")
    .option("--json", "print JSON")
    .addHelpText("after", toExamples(`xcore jobs show ${EXAMPLE}`))
    .action((id: string, options: { json?: boolean }, command: Command) =>
      withJobs(command, context, async (desk) => {
        const { payload, steps, ...job } = await desk.read(toJobId(id));
        if (options.json) {
          context.print(JSON.stringify({ ...job, payload, steps }, null, 2));
          return;
        }
        const rows = Object.entries(job)
          .filter(([, value]) => value !== null)
          .map(([key, value]) => [key, String(value)]);
        const done = steps.map(({ name }) => name).join(", ");
        context.print(
          toTable([...rows, ["steps", done === "" ? "-" : done], ["payload", JSON.stringify(payload)]]),
        );
      }),
    );
}
