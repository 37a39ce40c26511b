import type { Table } from "drizzle-orm";
import type { AnyElysia } from "elysia";
import type { Logger } from "pino";
import type { User } from "../accounts/identity/principal.ts";
import type { Driver } from "../db/contract/driver.ts";
import { kindOf } from "../db/schema/column-kind.ts";
import type { HookBus } from "../hooks/bus.ts";
import type { JobDefinition } from "../jobs/jobs.ts";
import type { Access } from "./access/access.ts";
import { type AnyOptions, type Resource, toResource } from "./definition/definition.ts";
import { createImportJobs, type ImportJobsOptions } from "./import-jobs/definition.ts";
import { RowFiles } from "./files/columns.ts";
import { createResourceRoutes } from "./routes.ts";
import { type ResourceRoutesOptions, toAccess } from "./serving/endpoint.ts";
import { RowEvents } from "./writing/events.ts";
import { Writer } from "./writing/writer.ts";

export type { AnyOptions, Resource } from "./definition/definition.ts";
export { bodyOf, pageOf, patchOf, rowOf } from "./schemas/tables.ts";

/** What the resources of a plugin stand on. */
export interface ResourceHost
  extends
    Omit<ResourceRoutesOptions, "resource" | "writer" | "dialect">,
    Pick<ImportJobsOptions, "jobs" | "background" | "findStandIn" | "log" | "hold"> {
  readonly plugin: string;
  readonly driver: Driver;
  readonly hooks: HookBus;
}

/** A table as an API: what it is, and the routes that serve it. */
export interface MadeResource {
  readonly resource: Resource;
  /** What it asks for, with what each is for. */
  readonly permissions: Readonly<Record<string, string>>;
  readonly router: AnyElysia;
  /** What is to be done for it again and again; null for nothing. */
  readonly upkeep: Upkeep | null;
  /** The job of its imports. */
  readonly imports: JobDefinition;
}

/** Work that is due by a cron expression, in UTC. */
export interface Upkeep {
  readonly name: string;
  readonly expression: string;
  readonly run: (task: { readonly signal: AbortSignal; readonly log: Logger }) => Promise<void>;
}

const MAX_NAME = 64; // characters of a task's

/**
 * Makes a table an API.
 *
 * @throws TypeError for a table without a primary key of one column, and for names that aren't there
 */
export function makeResource(host: ResourceHost, table: Table, options: AnyOptions): MadeResource {
  const { plugin, driver, hooks, core, changes } = host;
  const declared = toResource({ plugin, uniqueKeysOf: driver.tableMakers.uniqueKeysOf }, table, options);
  const resource = { ...declared, files: toFiles(host, declared) };
  const writer = new Writer({
    driver,
    events: new RowEvents(hooks, resource),
    history: core.history,
    numbers: core.numbers,
    changes,
    forget: async (tx, id) => {
      const { forgetDiscussion } = await import("./discussion/forgetting.ts");
      await forgetDiscussion(tx, { core, storage: host.storage, resource, id });
    },
  });
  const accessOf = (user: User | null): Access => toAccess({ ...host, resource }, user);
  const imports = createImportJobs({ ...host, resource, writer, accessOf });
  const router = createResourceRoutes({ ...host, resource, writer, dialect: driver.dialect, imports });
  const permissions = permissionsOf(resource);
  return { resource, permissions, router, upkeep: upkeepOf(resource, host), imports: imports.definition };
}

/** Deletes what of the history is older than it is kept, each night. */
function upkeepOf(resource: Resource, { db, core: { history } }: ResourceHost): Upkeep | null {
  if (resource.keepsHistory === null) return null;
  const suffix = ".history";
  return {
    name: `${resource.name.slice(0, MAX_NAME - suffix.length)}${suffix}`,
    // Not all at once.
    expression: `${Bun.hash.crc32(resource.tableName) % 60} 3 * * *`,
    run: async ({ signal, log }) => {
      const { forgetOldEntries } = await import("./history/retention.ts");
      const deleted = await forgetOldEntries({ db, history }, resource, { now: new Date(), signal });
      if (deleted > 0)
        log.info({ table: resource.tableName, deleted }, "old entries of a history are deleted");
    },
  };
}

function toFiles({ storage, pathOf }: ResourceHost, resource: Resource): RowFiles | null {
  const { plugin, tableName, key } = resource;
  const columns = new Map([...resource.columns].filter(([, column]) => kindOf(column).type === "file"));
  if (columns.size === 0) return null;
  return new RowFiles({ plugin, tableName, key, columns, storage, path: () => pathOf(resource) });
}

function permissionsOf({ permission, isPublic, name, workflow }: Resource): Readonly<Record<string, string>> {
  const steps = (workflow?.transitions ?? []).flatMap((step) =>
    step.permission === null ? [] : [[step.permission, `Take ${name} by "${step.name}"`] as const],
  );
  const importing = workflow?.importPermission ?? null;
  const special = {
    ...(importing !== null && { [importing]: `Import ${name} in any state` }),
    ...Object.fromEntries(steps),
  };
  if (permission === null) return special;
  return {
    ...special,
    ...(!isPublic && { [`${permission}:read`]: `See ${name}` }),
    [`${permission}:write`]: `Make and change ${name}`,
    [`${permission}:delete`]: `Delete ${name}`,
  };
}
