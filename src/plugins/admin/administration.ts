import type { Logger } from "pino";
import { type AuditEntry, writeAudit } from "../../accounts/people/audit.ts";
import type { CoreStore } from "../../accounts/people/store.ts";
import type { Origin, User } from "../../accounts/identity/principal.ts";
import { DatabaseError } from "../../db/contract/database-error.ts";
import type { Driver } from "../../db/contract/driver.ts";
import { purgeTables } from "../../db/migrations/purge.ts";
import { AppError } from "../../errors/errors.ts";
import type { JobDesk, WaitingFit } from "../../jobs/admin/desk.ts";
import { createRedactor } from "../../log/redact.ts";
import { fail } from "../failure/error-codes.ts";
import { FetchError, PluginError } from "../failure/failure.ts";
import type { SharedStates } from "../shared-states.ts";
import {
  assertDisablable,
  assertRemovable,
  assertSwitchable,
  findDependents,
  removeFiles,
  writeActive,
} from "./local-files.ts";
import { followConfig, type FollowingOptions } from "./following.ts";
import type { PluginRecord } from "../inventory/record.ts";
import type { PluginInstaller, PreparedPlugin } from "../remote/installer.ts";

const redact = createRedactor();

export interface PluginVerbsOptions extends FollowingOptions {
  readonly installer: PluginInstaller;
  /** What is asked on all instances; null where this is the only one. */
  readonly shared: SharedStates | null;
  readonly log: Logger;
  readonly store: CoreStore;
  readonly driver: Driver;
  /** Opens the background jobs. */
  readonly openDesk: () => Promise<Pick<JobDesk, "compareWaiting">>;
}

/** What an administrator asks to be added. */
export interface PluginRequest {
  readonly url?: string;
  readonly urls?: readonly string[];
  readonly integrity?: string;
  /** Whether it is only to be looked at. @default false */
  readonly dry_run?: boolean;
}

/** Who asks for a change, and from where. */
export interface PluginChange {
  readonly actor: Pick<User, "id" | "email">;
  readonly origin: Origin;
  /** Refuses who may not do it any more: fetching, and a body, take their time. */
  readonly assertAllowed: () => Promise<void>;
}

/** Where a plugin is switched and removed. */
interface PluginOwner {
  /** Whether its files, or its entry, say that it is active. */
  readonly isActive: boolean;
  readonly setActive: (active: boolean) => Promise<void>;
  /** Removes the plugin, then does `next`; puts it back when that fails. */
  readonly remove: (next: () => Promise<void>) => Promise<void>;
  /** Makes the running server follow a change. */
  readonly follow: () => Promise<void>;
}

/** What administrators do to running plugins. Each is written to the audit log. */
export class PluginVerbs {
  readonly #options: PluginVerbsOptions;

  constructor(options: PluginVerbsOptions) {
    this.#options = options;
  }

  /**
   * Fetches a plugin and looks at it, without running or writing anything. It is in the audit log all the same: the
   * server asks a host that somebody names.
   *
   * @param signal of the request: who has gone away must not find it added later
   * @throws AppError validation_error, plugin_fetch_failed, plugin_refused; conflict for a name that is taken
   * @throws AppError for who may not do it
   */
  async prepare(request: PluginRequest, change: PluginChange, signal: AbortSignal): Promise<PreparedPlugin> {
    const { url, urls = url === undefined ? [] : [url], dry_run: isDryRun = false } = request;
    const asked = { urls, dry_run: isDryRun };
    try {
      await change.assertAllowed();
      const prepared = await this.#fetch(request, signal);
      const { name, integrity } = prepared.inspection;
      if (isDryRun) await this.#audit("plugin.inspected", name, change, { after: { ...asked, integrity } });
      return prepared;
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      const refused = { result: "refused", after: { ...asked, reason: error.message } } as const;
      await this.#audit(isDryRun ? "plugin.inspected" : "plugin.added", "", change, refused);
      throw error;
    }
  }

  /** Tells how the jobs of a plugin that wait fit what was prepared; null when it would replace none. */
  async compareJobs({ inspection, isListed }: PreparedPlugin): Promise<WaitingFit | null> {
    if (!isListed) return null;
    const { name, surface } = inspection;
    const desk = await this.#options.openDesk();
    return desk.compareWaiting(name, surface?.jobs ?? null);
  }

  async #fetch({ url, urls, integrity }: PluginRequest, signal: AbortSignal): Promise<PreparedPlugin> {
    const places = urls ?? (url === undefined ? [] : [url]);
    if (places.length === 0 || (url !== undefined && urls !== undefined)) {
      throw fail("validation_error", 'Cannot add a plugin: give either "url" or "urls"');
    }
    try {
      return await this.#options.installer.prepare(places, {
        integrity,
        allowsPaths: false,
        // An administrator of the server writes what it may reach into config.json: these are its users.
        trustsPlaces: false,
        signal,
      });
    } catch (error) {
      if (signal.aborted) throw fail("plugin_fetch_failed", "Cannot add a plugin: nobody waits for it");
      if (!(error instanceof PluginError)) throw error;
      const isTransient = error instanceof FetchError && error.isTransient;
      throw isTransient
        ? fail("plugin_fetch_failed", error.message, { cause: error })
        : fail("plugin_refused", error.message, { cause: error });
    }
  }

  /**
   * Pins a plugin in config.json, which the running server follows. Resolves once it serves, or has failed: the record
   * says which.
   *
   * @throws AppError plugin_not_kept; conflict when config.json can't be used
   * @throws AppError for who may not do it any more: fetching takes a while
   */
  async install(prepared: PreparedPlugin, change: PluginChange): Promise<PluginRecord> {
    const { installer, manager } = this.#options;
    const { name, version, integrity } = prepared.inspection;
    const known = manager.list().find((record) => record.id === idOf(name));
    const before = known && { urls: known.source.remote?.places, integrity: known.source.remote?.integrity };
    await change.assertAllowed();
    try {
      await installer.commit(prepared);
    } catch (error) {
      if (!(error instanceof PluginError)) throw error;
      throw fail("plugin_not_kept", error.message, { cause: error });
    }
    await this.#audit(prepared.isListed ? "plugin.updated" : "plugin.added", name, change, {
      ...(before && { before }),
      after: { version, urls: prepared.places, integrity },
    });
    await followConfig(this.#options, idOf(name));
    const record = manager.list().find(({ id }) => id === idOf(name));
    if (record !== undefined) return record;
    const message = `Cannot load "${name}": it is pinned in config.json, which the server can't follow; see its log`;
    throw fail("conflict", message);
  }

  /**
   * Takes a plugin into service or out of it, and writes that into its plugin.json, or into config.json for one from
   * elsewhere; where there are other instances, it is asked of them as well. Resolves once it serves here, or has failed:
   * the record says which.
   *
   * @throws AppError plugin_not_found; conflict for a single file and for a manifest that can't be read
   */
  async enable(name: string, change: PluginChange): Promise<PluginRecord> {
    return this.#setActive([this.find(name)], true, change);
  }

  /**
   * Takes a plugin out of service, and with `withDependents` those that depend on it before; written as by `enable`.
   *
   * @throws AppError as `enable`; conflict while others depend on it, unless they are asked for too
   */
  async disable(
    name: string,
    { withDependents }: { readonly withDependents: boolean },
    change: PluginChange,
  ): Promise<PluginRecord> {
    const record = this.find(name);
    const active = this.#options.manager.list().filter(({ isActive }) => isActive);
    const dependents = record.isActive
      ? findDependents(
          name,
          active.flatMap(({ manifest }) => manifest ?? []),
        )
      : [];
    if (!withDependents) assertDisablable(name, dependents, "?with_dependents=true");
    return this.#setActive([...dependents.map((one) => this.find(one)), record], false, change);
  }

  /** Switches plugins one after another, after a look at all of them; returns the last. */
  async #setActive(
    records: readonly PluginRecord[],
    active: boolean,
    change: PluginChange,
  ): Promise<PluginRecord> {
    for (const record of records) assertWritable(record, active);
    const switched = records
      .map((record) => ({ record, owner: this.#ownerOf(record) }))
      .filter((one) => !this.#isSwitched(one, active));
    if (switched.length > 0) await change.assertAllowed();
    for (const { record, owner } of switched) {
      const before = { active: record.isActive };
      // oxlint-disable no-await-in-loop -- no plugin is without what it depends on, not for a moment
      await this.#switch(record, owner, active);
      await this.#audit(active ? "plugin.enabled" : "plugin.disabled", record.name, change, {
        before,
        after: { active },
      });
      await owner.follow();
      // oxlint-enable no-await-in-loop
    }
    const last = records.at(-1) as PluginRecord;
    return this.#options.manager.list().find(({ id }) => id === last.id) ?? last;
  }

  /** Whether a plugin is switched so already, wherever that counts. */
  #isSwitched(
    { record, owner }: { readonly record: PluginRecord; readonly owner: PluginOwner },
    active: boolean,
  ): boolean {
    const { shared } = this.#options;
    const isAsked = shared === null || shared.asked.active.get(record.name) === active;
    return isAsked && (record.isLacking || owner.isActive === active);
  }

  async #switch(record: PluginRecord, owner: PluginOwner, active: boolean): Promise<void> {
    const { shared, log } = this.#options;
    // First: what a file says then goes with it.
    await shared?.setActive(record.name, active);
    if (record.isLacking || owner.isActive === active) return;
    try {
      await owner.setActive(active);
    } catch (error) {
      if (shared === null) throw error;
      // It may be read only, as that of an image is.
      log.warn(
        { err: error, plugin: record.name },
        "it is written nowhere here whether the plugin is active: what was asked on all instances counts",
      );
    }
  }

  /**
   * Loads a plugin anew, though nothing has changed, with those that depend on it. When that fails, the last good
   * generation keeps serving, and the record says why.
   *
   * @throws AppError plugin_not_found; conflict for a disabled plugin
   */
  async reload(name: string, change: PluginChange): Promise<PluginRecord> {
    const record = this.find(name);
    if (!record.isActive) {
      throw fail("conflict", `Cannot reload "${name}": it is disabled`);
    }
    await change.assertAllowed();
    await this.#audit("plugin.reloaded", name, change);
    await this.#options.manager.reload(record);
    return record;
  }

  /**
   * Deletes a plugin's files, or its entry in config.json, and with `purge` its tables. When the tables can't be dropped
   * it stays as it was.
   *
   * @throws AppError plugin_not_found; conflict while another depends on it, or on its tables
   * @throws AppError for who may not do it
   */
  async remove(name: string, { purge }: { readonly purge: boolean }, change: PluginChange): Promise<void> {
    const { manager, driver } = this.#options;
    const record = this.find(name);
    const owner = this.#ownerOf(record);
    const others = manager.list().filter((other) => other !== record);
    assertRemovable(
      name,
      others.flatMap(({ manifest }) => manifest ?? []),
    );
    const next = async () => {
      await owner.follow(); // it takes no more requests when its tables go
      if (purge) await dropTables(driver, name);
    };
    const { remote } = record.source;
    const before = {
      version: record.manifest?.version ?? null,
      ...(remote && { urls: remote.places, integrity: remote.integrity }),
    };
    await change.assertAllowed();
    const { shared } = this.#options;
    const removed = (): Promise<void> => owner.remove(next);
    try {
      await (shared === null ? removed() : shared.remove(name, removed));
    } catch (error) {
      await owner.follow();
      throw error;
    }
    await this.#audit("plugin.removed", name, change, { before, after: { purge } });
  }

  /** Finds a plugin, of two with one name the one that serves. @throws AppError plugin_not_found */
  find(name: string): PluginRecord {
    const named = this.#options.manager.list().filter((candidate) => candidate.name === name);
    const record = named.find(({ current }) => current !== null) ?? named[0];
    if (record !== undefined) return record;
    throw fail("plugin_not_found", `Cannot find plugin "${name}": there is none`);
  }

  /** What says that a plugin is there, and active: its files in the plugins directory, or its entry in config.json. */
  #ownerOf(record: PluginRecord): PluginOwner {
    const { manager, installer } = this.#options;
    const { id, name, source, files } = record;
    if (source.remote === null && files !== null) {
      return {
        isActive: record.isActiveByFiles,
        setActive: (active) => writeActive({ name, files }, active),
        remove: (next) => removeFiles(files, next),
        follow: () => manager.refresh(new Set([id])),
      };
    }
    return {
      isActive: source.isActive,
      setActive: (active) => installer.setActive(source.basename, active),
      remove: (next) => installer.remove(source.basename, next),
      follow: () => followConfig(this.#options, id),
    };
  }

  async #audit(
    action: string,
    name: string,
    { actor, origin }: PluginChange,
    changed: Pick<AuditEntry, "before" | "after" | "result"> = {},
  ): Promise<void> {
    const { db, tables } = this.#options.store;
    const target = { type: "plugin", id: name.slice(0, 64) };
    // URLs may hold secrets, those of signed ones among them.
    const shown = redact(changed) as typeof changed;
    await writeAudit(db, tables, { action, actor, target, origin, ...shown });
  }
}

/** @throws AppError conflict for a plugin that can't be switched where it is */
function assertWritable(record: PluginRecord, active: boolean): void {
  const { name, source, declared, files } = record;
  if (source.remote !== null || (record.isLacking && !active)) return;
  if (declared instanceof PluginError) {
    throw fail("conflict", `Cannot ${active ? "enable" : "disable"} "${name}": ${declared.message}`);
  }
  const isSwitched = declared?.active === active;
  if (files !== null && !isSwitched) assertSwitchable({ name, files }, active);
}

/** What identifies a plugin of `plugins.remote` among the records. */
function idOf(name: string): string {
  return `remote:${name}`;
}

async function dropTables(driver: Driver, name: string): Promise<void> {
  try {
    await purgeTables(driver, name).drop();
  } catch (error) {
    if (!(error instanceof DatabaseError) || error.fault !== "other") throw error;
    throw fail("conflict", error.message, { cause: error });
  }
}
