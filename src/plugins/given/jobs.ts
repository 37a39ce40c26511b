import type { TSchema } from "@sinclair/typebox";
import type { Logger } from "pino";
import type { Database } from "../../db/contract/database.ts";
import { closestWord } from "../../errors/suggestion.ts";
import type { JobDefinition, JobRequest, Jobs } from "../../jobs/jobs.ts";
import { IMPORT_SUFFIX, toDefinition, toQualifiedName } from "../../jobs/definition/options.ts";
import type { Scheduler, Task } from "../../jobs/scheduler/scheduler.ts";
import { toTask } from "../../jobs/scheduler/task.ts";
import type { JobItem, PluginJobs } from "../../sdk/jobs.ts";
import type { Scope } from "./scope.ts";

export interface PluginJobsOptions {
  readonly name: string;
  readonly scope: Scope;
  readonly jobs: Jobs;
  readonly tasks: Scheduler;
  /** Is told of each kind of jobs that the plugin defines, and of what their payload must be. */
  readonly onDefine: (name: string, payload: TSchema | null) => void;
  readonly db: Database;
  readonly log: Logger;
}

/** Creates the `jobs` of one generation of a plugin. */
export function createPluginJobs(host: PluginJobsOptions): PluginJobs {
  const { name: plugin, scope, jobs, onDefine, db, log } = host;
  const own = new Map<string, JobDefinition>();
  const owner = { plugin, db, log, hold: (work: Promise<unknown>) => scope.hold(work) };
  /** Its own as it has defined them: a generation that drains goes on with these. */
  const find = (given: unknown): JobDefinition => {
    const name = String(given);
    const qualified = name.includes(":") ? name : toQualifiedName(plugin, name);
    const found = own.get(qualified) ?? jobs.definitions.get(qualified);
    if (found === undefined) throw unknown(name, plugin, [...own.keys()]);
    return found;
  };
  const toRequest = ({ name, payload, ...options }: JobItem): JobRequest => ({
    definition: find(name),
    payload,
    options,
  });
  return {
    cron: createCron(host),
    define(name, handler, options = {}) {
      const definition = toDefinition(owner, name, handler, options);
      if (definition.name.endsWith(IMPORT_SUFFIX)) {
        const reason = `names that end with "${IMPORT_SUFFIX}" are those of imports into resources`;
        throw new TypeError(`Cannot define the job "${name}": ${reason}`);
      }
      if (own.has(definition.name)) {
        throw new TypeError(`Cannot define the job "${name}": there is one of this name already`);
      }
      own.set(definition.name, definition);
      onDefine(name, definition.schema);
      const undo = scope.register(() => jobs.register(definition));
      return () => {
        own.delete(definition.name);
        undo();
      };
    },
    async enqueue(name, payload, { tx, ...options } = {}) {
      const request = { definition: find(name), payload, options };
      return (await jobs.queue()).enqueue(request, tx);
    },
    async enqueueMany(items, { tx } = {}) {
      const requests = toItems(items).map(toRequest);
      return (await jobs.queue()).enqueueMany(requests, tx);
    },
    async batch(items, callback, { tx } = {}) {
      const requests = toItems(items).map(toRequest);
      return (await jobs.queue()).batch(requests, toRequest(callback), tx);
    },
    async chain(items, { tx } = {}) {
      const requests = toItems(items).map(toRequest);
      return (await jobs.queue()).chain(requests, tx);
    },
  } satisfies PluginJobs;
}

function createCron({ name: plugin, scope, tasks, log }: PluginJobsOptions): PluginJobs["cron"] {
  const own = new Set<string>();
  const owner = { plugin, log, hold: (work: Promise<unknown>) => scope.hold(work) };
  return (name, expression, handler, options = {}) => {
    const task: Task = toTask(owner, { name, expression, handler, options }, tasks.schedule);
    if (own.has(task.name)) {
      throw new TypeError(
        `Cannot schedule the task "${name}" of plugin "${plugin}": there is one of this name already`,
      );
    }
    own.add(task.name);
    const undo = scope.register(() => tasks.register(task));
    return () => {
      own.delete(task.name);
      undo();
    };
  };
}

function toItems(items: readonly JobItem[]): readonly JobItem[] {
  if (Array.isArray(items)) return items;
  throw new TypeError("Cannot enqueue jobs: give them as a list of { name, payload }");
}

function unknown(name: string, plugin: string, own: readonly string[]): TypeError {
  const names = own.map((one) => one.slice(plugin.length + 1));
  const meant = closestWord(name, names);
  const hint = meant === undefined ? `define it with jobs.define("${name}", …)` : `did you mean "${meant}"?`;
  return new TypeError(`Cannot enqueue "${name}": plugin "${plugin}" defines no such job; ${hint}`);
}
