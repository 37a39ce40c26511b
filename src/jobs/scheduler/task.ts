import type { Logger } from "pino";
import { assertKnownOptions } from "../../errors/suggestion.ts";
import { assertName, toQualifiedName } from "../definition/options.ts";
import type { Schedule, ScheduleMaker } from "./schedule.ts";

/** What the handler of a task is told. */
export interface TaskContext {
  /** As its plugin has named it. */
  readonly name: string;
  /** The moment that it was due; the present one where somebody has asked for it. */
  readonly dueAt: Date;
  /** Aborted when the server doesn't wait for it any longer. */
  readonly signal: AbortSignal;
  /** Its log, with the task's name. */
  readonly log: Logger;
}

/** How a task is scheduled. */
export interface TaskOptions {
  /** IANA name of the time zone that the expression is meant in, such as "Europe/Paris". @default "UTC" */
  readonly timezone?: string;
  /** Whether it begins while an earlier run goes on, here or on another instance. @default false */
  readonly overlap?: boolean;
  /** Whether it runs once, at the next start, where it was due while nothing ran. @default false */
  readonly catchUp?: boolean;
}

/** A task of a generation of a plugin. */
export interface Task {
  /** Of its plugin, and its own: "blog:recount". */
  readonly name: string;
  readonly plugin: string;
  readonly schedule: Schedule;
  readonly mayOverlap: boolean;
  readonly catchesUp: boolean;
  readonly handler: (context: TaskContext) => unknown;
  readonly log: Logger;
  /** Has the generation live until this has ended. */
  readonly hold: (work: Promise<unknown>) => void;
}

/** What a plugin says of a task. */
export interface TaskDeclaration {
  readonly name: unknown;
  readonly expression: string;
  readonly handler: unknown;
  readonly options: TaskOptions;
}

const KEYS = ["timezone", "overlap", "catchUp"];

/**
 * Checks what a plugin says of a task, and fills in the defaults.
 *
 * @throws TypeError, RangeError that name the plugin and the task
 */
export function toTask(
  owner: Pick<Task, "plugin" | "log" | "hold">,
  { name, expression, handler, options }: TaskDeclaration,
  makeSchedule: ScheduleMaker,
): Task {
  const doing = `Cannot schedule the task "${String(name)}" of plugin "${owner.plugin}"`;
  assertName(name, doing);
  if (typeof handler !== "function") throw new TypeError(`${doing}: its third argument must be a function`);
  assertKnownOptions(options, KEYS, doing);
  const { timezone = "UTC", overlap = false, catchUp = false } = options;
  return {
    ...owner,
    name: toQualifiedName(owner.plugin, name),
    schedule: make(() => makeSchedule(expression, timezone === "UTC" ? null : timezone), doing),
    mayOverlap: overlap,
    catchesUp: catchUp,
    handler: handler as Task["handler"],
  };
}

function make(schedule: () => Schedule, doing: string): Schedule {
  try {
    return schedule();
  } catch (error) {
    const Kind = error instanceof RangeError ? RangeError : TypeError;
    const reason = error instanceof Error ? error.message : String(error);
    throw new Kind(`${doing}: ${reason}`, { cause: error });
  }
}
