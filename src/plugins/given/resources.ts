import type { Table } from "drizzle-orm";
import type { AnyElysia } from "elysia";
import type { Logger } from "pino";
import type { Database } from "../../db/contract/database.ts";
import type { Driver } from "../../db/contract/driver.ts";
import type { CoreDeclaration } from "../../db/schema/schema.ts";
import type { HookBus } from "../../hooks/bus.ts";
import type { Jobs } from "../../jobs/jobs.ts";
import type { LiveChanges } from "../../resources/changes/live.ts";
import type { BackgroundImports } from "../../resources/import-jobs/imports.ts";
import type { Resources } from "../../resources/definition/registry.ts";
import type * as slice from "../../resources/resources.ts";
import type { Storage } from "../../storage/storage.ts";
import { createPluginRouter } from "../../sdk/router.ts";
import type { PluginJobs } from "../../sdk/jobs.ts";
import type * as sdk from "../../sdk/xcore.ts";
import type { PluginAccounts } from "./accounts.ts";
import type { Scope } from "./scope.ts";

export interface PluginResourcesOptions {
  readonly name: string;
  readonly scope: Scope;
  readonly hooks: HookBus;
  readonly driver: Driver;
  readonly db: Database;
  readonly accounts: PluginAccounts;
  readonly core: CoreDeclaration;
  readonly resources: Resources;
  readonly changes: LiveChanges;
  readonly jobs: Jobs;
  /** What files wait to be imported. */
  readonly background: BackgroundImports;
  readonly log: Logger;
  /** Schedules what is to be done for them again and again. */
  readonly schedule: Pick<PluginJobs, "cron">;
  readonly storage: Storage;
  /** Where a resource is served, once it is. */
  readonly pathOf: (resource: slice.Resource) => string;
  /** Is told of each permission that a resource asks for, with what it is for. */
  readonly onPermission: (name: string, description: string) => void;
  /** Is told of each template that a resource has for a screen. */
  readonly onTemplate: (name: string, place: string) => void;
}

type Made = "resource" | "rowOf" | "bodyOf" | "patchOf" | "pageOf";

const NAMES: readonly Made[] = ["resource", "rowOf", "bodyOf", "patchOf", "pageOf"];

let loaded: typeof slice | null = null;

/** Loads what makes APIs and schemas of tables, for code that asks for it: most plugins never do. */
export async function prepareResources(code: string): Promise<void> {
  if (loaded === null && NAMES.some((name) => code.includes(name)))
    loaded = await import("../../resources/resources.ts");
}

/** Creates the `resource` of one generation of a plugin, and what makes schemas of tables. */
export function createPluginResources(options: PluginResourcesOptions): Pick<typeof sdk, Made> {
  return {
    resource: createMaker(options),
    rowOf: (table) => findSlice().rowOf(table),
    bodyOf: (table, given) => findSlice().bodyOf(table, given),
    patchOf: (table, given) => findSlice().patchOf(table, given),
    pageOf: (item) => findSlice().pageOf(item),
  };
}

/** @throws TypeError where the name doesn't stand in the code that asks */
function findSlice(): typeof slice {
  if (loaded !== null) return loaded;
  throw new TypeError(`Cannot find what makes resources: write ${NAMES.join(", ")} by their names`);
}

function createMaker(options: PluginResourcesOptions): (typeof sdk)["resource"] {
  const {
    name: plugin,
    scope,
    accounts,
    resources,
    background,
    schedule,
    onPermission,
    onTemplate,
  } = options;
  const host = {
    ...options,
    plugin,
    createRouter: () => createPluginRouter(accounts.guards),
    mayDo: (user: sdk.User, permission: string) =>
      accounts.principals.permissionsOf(user)?.has(permission) ?? false,
    permissionsOf: (user: sdk.User) => accounts.principals.permissionsOf(user),
    principalOf: (request: Request) => accounts.principals.find(request),
    findStandIn: accounts.findStandIn,
    hold: (work: Promise<unknown>) => scope.hold(work),
  };
  const own = new Set<string>();
  const make = (table: Table, declared?: slice.AnyOptions): AnyElysia => {
    const made = findSlice().makeResource(host, table, declared ?? {});
    const { resource, permissions, router, upkeep, imports } = made;
    if (own.has(resource.name))
      throw new TypeError(`Cannot make the resource "${resource.name}" twice: give one of them another path`);
    own.add(resource.name);
    for (const [name, description] of Object.entries(permissions)) onPermission(name, description);
    for (const [screen, template] of Object.entries(resource.screens.templates))
      onTemplate(template, `"admin.templates.${screen}" of the resource "${resource.name}"`);
    scope.register(() => resources.add(resource));
    scope.register(() => background.add(imports));
    if (upkeep !== null) schedule.cron(upkeep.name, upkeep.expression, upkeep.run, { catchUp: true });
    return router;
  };
  return make as (typeof sdk)["resource"];
}
