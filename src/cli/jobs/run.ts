import { Command, InvalidArgumentError } from "commander";
import { findDefinition, MAX_DELAY } from "../../jobs/admin/desk.ts";
import type { CommandContext } from "../open/command-context.ts";
import { inspect } from "../open/inspection.ts";
import { withJobs } from "./desk.ts";
import { toExamples } from "../terminal/output.ts";

interface RunOptions {
  readonly payload?: unknown;
  readonly delay?: number;
  readonly unique?: string;
}

/** `xcore jobs run NAME`: enqueues a job, which the running server then runs. */
export function jobsRunCommand(context: CommandContext): Command {
  return new Command("run")
    .description("Enqueue a job that a plugin defines; a running server runs it, or the next that starts")
    .argument("<name>", "plugin:name, or the name alone where only one plugin has it")
    .option("--payload <json>", "what it works on, as JSON", toPayload)
    .option("--delay <seconds>", "how long it waits", toDelay)
    .option("--unique <text>", "adds none while there is one with the same text that hasn't ended")
    .addHelpText("after", toExamples(`xcore jobs run blog:notify --payload '{"article_id": 7}'`))
    .action(async (name: string, { payload, ...options }: RunOptions, command: Command) => {
      const definition = await inspect(
        command,
        context,
        (app) => findDefinition(app.jobs.definitions, name),
        {
          goesOn: true,
        },
      );
      await withJobs(command, context, async (desk) => {
        const id = await desk.add({ definition, payload, options });
        context.print(`${definition.name} is enqueued as ${id}`);
      });
    });
}

function toPayload(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw new InvalidArgumentError("Expected JSON");
  }
}

function toDelay(text: string): number {
  const seconds = Number(text);
  if (seconds >= 0 && seconds <= MAX_DELAY) return seconds;
  throw new InvalidArgumentError("Expected a number of seconds");
}
