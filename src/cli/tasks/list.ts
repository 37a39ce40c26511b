import { Command } from "commander";
import type { CoreStore } from "../../accounts/people/store.ts";
import { readAllPages } from "../../db/paging/all-pages.ts";
import { loadSchedules } from "../../jobs/scheduler/schedule.ts";
import { listTasks, type TaskSource } from "../../jobs/scheduler/task-list.ts";
import type { CommandContext } from "../open/command-context.ts";
import { withCoreStore } from "../open/database.ts";
import { toExamples, toTable } from "../terminal/output.ts";

/** `xcore tasks list`: lists the scheduled tasks. */
export function taskListCommand(context: CommandContext): Command {
  return new Command("list")
    .description("List the scheduled tasks, with their next and last runs")
    .option("--json", "print JSON")
    .addHelpText("after", toExamples("xcore tasks list", "xcore tasks list --json"))
    .action((options: { json?: boolean }, command: Command) =>
      withCoreStore(command, context, async ({ store }) => {
        const source = await createSource(store);
        const tasks = await readAllPages((query) => listTasks(source, query));
        if (options.json) {
          context.print(JSON.stringify(tasks, null, 2));
          return;
        }
        const rows = tasks.map((task) => [
          task.id,
          task.timezone === "UTC" ? task.expression : `${task.expression} ${task.timezone}`,
          task.state,
          task.next_run_at ?? "-",
          task.last_run_at ?? "-",
          `${task.runs}/${task.failures}`,
          task.last_error ?? "-",
        ]);
        const heading = ["TASK", "SCHEDULE", "STATE", "NEXT RUN", "LAST RUN", "RUNS/FAILED", "LAST ERROR"];
        context.print(toTable([heading, ...rows]));
      }),
    );
}

/** Tells of tasks without their plugins: when they are due as their expressions say. */
async function createSource(store: CoreStore): Promise<TaskSource> {
  const makeSchedule = await loadSchedules();
  return {
    store,
    nextOf: ({ expression, timezone }) => makeSchedule(expression, timezone).next(Date.now()),
  };
}
