import type { AnyElysia } from "elysia";
import type { SchemaTables } from "../../db/contract/database.ts";
import type { TransactionOwner } from "../../db/transactions/owner.ts";
import type { Mount } from "../../web/mounts.ts";
import type { ModuleExports } from "../given/host-modules.ts";
import type { MadeTemplates } from "../given/xcore-module.ts";
import type { PluginHost } from "./host.ts";
import type { Surface } from "../source/surface.ts";
import type { Registrations } from "./surface.ts";
import { runTeardown } from "./life-cycle.ts";
import type { Manifest } from "../source/manifest.ts";
import type { Scope } from "../given/scope.ts";
import type { Globals } from "../given/globals.ts";

/** What ends with a generation. */
export interface Belongings extends Pick<Globals, "timers"> {
  readonly scope: Scope;
  readonly transactions: TransactionOwner;
}

/** One loaded version of a plugin, with everything that belongs to it. */
export class Generation {
  readonly number: number;
  readonly manifest: Manifest;
  /** Digest of its sources. */
  readonly hash: string;
  /** Everything else that it was made of: a generation with the same hash and fingerprint is the same. */
  readonly fingerprint: string;
  /** Of its code and all that it depends on, the same in every process. */
  readonly version: string;
  readonly loadedAt = new Date();
  readonly loadMs: number;
  readonly app: AnyElysia;
  readonly mount: Mount;
  readonly exports: ModuleExports;
  /** Its tables and relations and those of its dependencies. */
  readonly schema: SchemaTables;
  readonly registrations: Registrations;
  /** Its templates, for those that depend on it. */
  readonly pages: Pick<MadeTemplates, "owned">;
  readonly #scope: Scope;
  readonly #timers: Globals["timers"];
  readonly #transactions: TransactionOwner;
  readonly #dependencies: readonly Generation[];
  readonly #dependents = new Set<Generation>();
  readonly #retired = Promise.withResolvers<void>();

  constructor(
    parts: Pick<
      Generation,
      | "number"
      | "manifest"
      | "hash"
      | "fingerprint"
      | "version"
      | "loadMs"
      | "app"
      | "mount"
      | "exports"
      | "schema"
      | "registrations"
      | "pages"
    >,
    { scope, timers, transactions }: Belongings,
    dependencies: readonly Generation[],
  ) {
    this.number = parts.number;
    this.manifest = parts.manifest;
    this.hash = parts.hash;
    this.fingerprint = parts.fingerprint;
    this.version = parts.version;
    this.loadMs = parts.loadMs;
    this.app = parts.app;
    this.mount = parts.mount;
    this.exports = parts.exports;
    this.schema = parts.schema;
    this.registrations = parts.registrations;
    this.pages = parts.pages;
    this.#scope = scope;
    this.#timers = timers;
    this.#transactions = transactions;
    this.#dependencies = dependencies;
    for (const dependency of dependencies) dependency.#dependents.add(this);
  }

  /** Such as "blog@3". */
  get id(): string {
    return generationId(this.manifest.name, this.number);
  }

  /** What it serves, listens to and keeps. */
  get surface(): Surface {
    return this.registrations.toSurface(this.app);
  }

  /** Puts what it registered into effect, as it takes over. */
  activate(): void {
    this.#scope.activate();
  }

  /** Takes what it registered out of effect, as another takes over. */
  deactivate(): void {
    this.#scope.close();
  }

  /**
   * Drains it, waits for its jobs, and until no generation that imports it is left, and runs its `teardown`: before that its intervals
   * end, which would work on what is being closed, and after it whatever `teardown` may have waited for: timers and
   * transactions. For a
   * generation that takes no more requests.
   */
  async retire({ given: { log }, web, lifeCycle }: PluginHost): Promise<void> {
    this.#scope.close();
    const fields = { plugin: this.manifest.name, generation: this.number };
    const { drainTimeoutMs: timeoutMs, shutdown } = lifeCycle;
    const limits = { timeoutMs, signal: shutdown.requests };
    const { ended, left } = await web.drain(this.mount.inFlight, limits);
    if (ended + left > 0) {
      const what = `${ended} streams cut off, ${left} requests go on without it`;
      log.warn({ ...fields, ended, left }, `draining took too long: ${what}`);
    }
    await this.#scope.settled();
    await Promise.all([...this.#dependents].map((dependent) => dependent.#retired.promise));
    this.#timers.endRepeating();
    try {
      lifeCycle.activity.note?.(this.manifest.name, "teardown()");
      if (lifeCycle.runsSetup) await runTeardown(this.exports, timeoutMs, shutdown.teardowns);
    } catch (error) {
      log.error({ err: error, ...fields }, "teardown failed");
    }
    this.#timers.end();
    this.#transactions.end();
    for (const dependency of this.#dependencies) dependency.#dependents.delete(this);
    lifeCycle.stackTraces.delete(this.id);
    this.#retired.resolve();
  }
}

/** Names a generation in stack traces and logs. */
export function generationId(name: string, number: number): string {
  return `${name}@${number}`;
}
