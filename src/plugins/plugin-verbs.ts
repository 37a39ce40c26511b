import { writeAudit } from "../auth/audit.ts";
import type { CoreStore } from "../auth/core-store.ts";
import type { Origin, User } from "../auth/principal.ts";
import { DatabaseError } from "../db/database-error.ts";
import type { Driver } from "../db/driver.ts";
import { purgeTables } from "../db/migrations/purge.ts";
import { AppError } from "../errors/app-error.ts";
import { PluginError } from "./failure.ts";
import type { PluginManager } from "./manager.ts";
import { assertRemovable, removeFiles } from "./plugin-removal.ts";
import { writeActive } from "./plugin-switch.ts";
import type { PluginRecord } from "./record.ts";

export interface PluginVerbsOptions {
  readonly manager: PluginManager;
  readonly store: CoreStore;
  readonly driver: Driver;
  readonly toDisplayPath: (file: string) => string;
}

/** Who asks for a change, and from where. */
export interface PluginChange {
  readonly actor: User;
  readonly origin: Origin;
}

/** What administrators do to running plugins. Each is written to the audit log. */
export class PluginVerbs {
  readonly #options: PluginVerbsOptions;

  constructor(options: PluginVerbsOptions) {
    this.#options = options;
  }

  /**
   * Takes a plugin into service or out of it, and writes that into its plugin.json. Resolves once it serves, or has
   * failed: the record says which.
   *
   * @throws AppError plugin_not_found; conflict for a single file and for a manifest that can't be read
   */
  async setActive(name: string, active: boolean, change: PluginChange): Promise<PluginRecord> {
    const { manager, toDisplayPath } = this.#options;
    const record = this.find(name);
    if (record.declared instanceof PluginError) {
      const verb = active ? "enable" : "disable";
      throw new AppError("conflict", 409, `Cannot ${verb} "${name}": ${record.declared.message}`);
    }
    const before = record.declared.active;
    if (before === active) return record;
    await writeActive(record, active, toDisplayPath);
    await this.#audit(active ? "plugin.enabled" : "plugin.disabled", name, change, {
      before: { active: before },
      after: { active },
    });
    await manager.refresh(new Set([record.id]));
    return record;
  }

  /**
   * Loads a plugin anew, though nothing has changed, with those that depend on it. When that fails, the last good
   * generation keeps serving, and the record says why.
   *
   * @throws AppError plugin_not_found; conflict for a disabled plugin
   */
  async reload(name: string, change: PluginChange): Promise<PluginRecord> {
    const record = this.find(name);
    if (record.manifest?.active === false) {
      throw new AppError("conflict", 409, `Cannot reload "${name}": it is disabled`);
    }
    await this.#audit("plugin.reloaded", name, change);
    await this.#options.manager.reload(record);
    return record;
  }

  /**
   * Deletes a plugin's files, and with `purge` its tables. When the tables can't be dropped it stays as it was.
   *
   * @throws AppError plugin_not_found; conflict while another depends on it, or on its tables
   */
  async remove(name: string, { purge }: { readonly purge: boolean }, change: PluginChange): Promise<void> {
    const { manager, driver } = this.#options;
    const record = this.find(name);
    const others = manager.list().filter((other) => other !== record);
    assertRemovable(
      name,
      others.flatMap(({ manifest }) => manifest ?? []),
    );
    const refresh = () => manager.refresh(new Set([record.id]));
    const before = { version: record.manifest?.version ?? null };
    try {
      await removeFiles(record.source, async () => {
        await refresh(); // it takes no more requests when its tables go
        if (purge) await dropTables(driver, name);
      });
    } catch (error) {
      await refresh();
      throw error;
    }
    await this.#audit("plugin.removed", name, change, { before, after: { purge } });
  }

  /** Finds a plugin, of two with one name the one that serves. @throws AppError plugin_not_found */
  find(name: string): PluginRecord {
    const named = this.#options.manager.list().filter((candidate) => candidate.name === name);
    const record = named.find(({ current }) => current !== null) ?? named[0];
    if (record !== undefined) return record;
    throw new AppError("plugin_not_found", 404, `Cannot find plugin "${name}": there is none`);
  }

  async #audit(
    action: string,
    name: string,
    { actor, origin }: PluginChange,
    changed: { before?: Record<string, unknown>; after?: Record<string, unknown> } = {},
  ): Promise<void> {
    const { db, tables } = this.#options.store;
    const target = { type: "plugin", id: name.slice(0, 64) };
    await writeAudit(db, tables, { action, actor, target, origin, ...changed });
  }
}

async function dropTables(driver: Driver, name: string): Promise<void> {
  try {
    await purgeTables(driver, name).drop();
  } catch (error) {
    if (!(error instanceof DatabaseError) || error.fault !== "other") throw error;
    throw new AppError("conflict", 409, error.message, { cause: error });
  }
}
