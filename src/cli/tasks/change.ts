import { Command } from "commander";
import type { App } from "../../app/app.ts";
import { AppError } from "../../errors/errors.ts";
import { fail } from "../../jobs/definition/error-codes.ts";
import { Scheduler } from "../../jobs/scheduler/scheduler.ts";
import { type CommandContext, loadFor } from "../open/command-context.ts";
import { withCoreStore } from "../open/database.ts";
import { withRunningApp } from "../open/running.ts";
import { toExamples } from "../terminal/output.ts";

/** What tasks of the core begin with; no plugin can be called so. */
const CORE_PREFIX = "core:";
const BACKUP_TASK = `${CORE_PREFIX}backup`;

/** Logs go to standard error alone: the running server writes the files. */
const RUN_CONFIG = { logging: { console: true }, plugins: { watch: false } } as const;

/** `xcore tasks run TASK`: runs a scheduled task now, in a process of its own, and waits for its end. */
export function taskRunCommand(context: CommandContext): Command {
  return new Command("run")
    .description("Run a scheduled task now, with all plugins loaded, and wait for its end")
    .argument("<task>", 'plugin and name, such as "blog:recount"')
    .addHelpText("after", toExamples("xcore tasks run blog:recount", "xcore tasks run core:backup"))
    .action((name: string, _options: object, command: Command) =>
      withRunningApp(
        (shared) => loadFor(command, context, RUN_CONFIG, shared),
        context,
        async (app) => {
          const { ended } = await start(app, name);
          const error = await ended;
          if (error !== null) throw fail("task_failed", `Cannot finish task "${name}": ${error}`);
          context.print(`${name} has run`);
        },
      ),
    );
}

/** Begins a run. @throws AppError not_found for a task that the core doesn't have, as Scheduler.run otherwise */
async function start({ tasks, addCoreTasks, live }: App, name: string): ReturnType<App["tasks"]["run"]> {
  if (!name.startsWith(CORE_PREFIX)) return tasks.run(name);
  await addCoreTasks();
  try {
    return await tasks.run(name);
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== "task_not_here") throw error;
    const isBackup = name === BACKUP_TASK && live.loaded.config.backups.schedule === null;
    const reason = isBackup
      ? "backups.schedule isn't set; `xcore db backup` makes one without"
      : "the core has no such task; see `xcore tasks list`";
    throw fail("not_found", `Cannot run task "${name}": ${reason}`);
  }
}

/** `xcore tasks pause|resume TASK`: keeps a scheduled task from being run, or lets it go on, on all instances. */
export function taskPauseCommand(context: CommandContext, verb: "pause" | "resume"): Command {
  const isPaused = verb === "pause";
  return new Command(verb)
    .description(
      isPaused
        ? "Keep a scheduled task from being run, on all instances"
        : "Let a paused task go on; what it has missed isn't caught up with",
    )
    .argument("<task>", 'plugin and name, such as "blog:recount"')
    .addHelpText("after", toExamples(`xcore tasks ${verb} blog:recount`))
    .action((name: string, _options: object, command: Command) =>
      withCoreStore(command, context, async ({ driver, store, loggers }) => {
        const scheduler = new Scheduler({ driver, store, log: loggers.app, isTimed: false });
        if (!(await scheduler.setPaused(name, isPaused)))
          throw fail("not_found", `Cannot ${verb} task "${name}": there is none; see \`xcore tasks list\``);
        context.print(`${name} is ${isPaused ? "paused" : "resumed"} now`);
      }),
    );
}
