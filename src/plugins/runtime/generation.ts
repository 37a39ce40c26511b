import type { AnyElysia } from "elysia";
import type { Logger } from "pino";
import type { SchemaTables } from "../../db/contract/database.ts";
import type { Driver } from "../../db/contract/driver.ts";
import type { CoreDeclaration } from "../../db/schema/schema-module.ts";
import type { HookBus } from "../../hooks/bus.ts";
import type { ErrorAnswer } from "../../web/error-answers.ts";
import type { InFlight } from "../../web/in-flight.ts";
import type { Mount } from "../../web/mounts.ts";
import type { ModuleExports } from "../given/host-modules.ts";
import { runTeardown } from "./life-cycle.ts";
import type { Manifest } from "../source/manifest.ts";
import type { PackageStore } from "../packages/package-store.ts";
import type { RemoteSourcesOptions } from "../remote/remote-sources.ts";
import type { PluginAccounts } from "../given/accounts.ts";
import type { Scope } from "../given/scope.ts";
import type { StackTraces } from "../failure/stack-traces.ts";

/** What generations need of the host. */
export interface PluginHost {
  readonly hooks: HookBus;
  /** Log that plugins write to. */
  readonly log: Logger;
  /** Log of the plugins' lives. */
  readonly managerLog: Logger;
  readonly database: Driver;
  readonly accounts: PluginAccounts;
  /** Where plugins from elsewhere are kept. */
  readonly remote: RemoteSourcesOptions;
  /** Where npm dependencies of plugins are installed. */
  readonly packages: PackageStore;
  /** What plugins see of the core's tables: one declaration for all, so that their relations meet. */
  readonly core: CoreDeclaration;
  /** Whether pending migrations are applied before a plugin serves. */
  readonly autoMigrate: () => boolean;
  readonly stackTraces: StackTraces;
  readonly answerError: ErrorAnswer;
  readonly isOpen: (request: Request) => boolean;
  readonly serverFor: (inFlight: InFlight) => Bun.Server<unknown> | null;
  /** Path to show for a file. */
  readonly toDisplayPath: (file: string) => string;
  /** False to load plugins only to look at them: nothing is migrated, and `setup` isn't called. */
  readonly runsSetup: boolean;
  readonly setupTimeoutMs: number;
  readonly drainTimeoutMs: number;
}

/** One loaded version of a plugin, with everything that belongs to it. */
export class Generation {
  readonly number: number;
  readonly manifest: Manifest;
  /** Digest of its sources. */
  readonly hash: string;
  /** Everything else that it was made of: a generation with the same hash and fingerprint is the same. */
  readonly fingerprint: string;
  readonly loadedAt = new Date();
  readonly loadMs: number;
  readonly app: AnyElysia;
  readonly mount: Mount;
  readonly exports: ModuleExports;
  /** Its tables and relations and those of its dependencies. */
  readonly schema: SchemaTables;
  readonly #scope: Scope;
  readonly #dependencies: readonly Generation[];
  readonly #dependents = new Set<Generation>();
  readonly #retired = Promise.withResolvers<void>();

  constructor(
    parts: Pick<
      Generation,
      "number" | "manifest" | "hash" | "fingerprint" | "loadMs" | "app" | "mount" | "exports" | "schema"
    >,
    scope: Scope,
    dependencies: readonly Generation[],
  ) {
    this.number = parts.number;
    this.manifest = parts.manifest;
    this.hash = parts.hash;
    this.fingerprint = parts.fingerprint;
    this.loadMs = parts.loadMs;
    this.app = parts.app;
    this.mount = parts.mount;
    this.exports = parts.exports;
    this.schema = parts.schema;
    this.#scope = scope;
    this.#dependencies = dependencies;
    for (const dependency of dependencies) dependency.#dependents.add(this);
  }

  /** Such as "blog@3". */
  get id(): string {
    return generationId(this.manifest.name, this.number);
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
   * Drains it, waits until no generation that imports it is left, and runs its `teardown`. For a generation
   * that takes no more requests.
   */
  async retire(host: PluginHost): Promise<void> {
    this.#scope.close();
    const { name } = this.manifest;
    const isDrained = await this.mount.inFlight.drain(host.isOpen, host.drainTimeoutMs);
    if (!isDrained)
      host.log.warn({ plugin: name, generation: this.number }, "requests cut off: drain timed out");
    await Promise.all([...this.#dependents].map((dependent) => dependent.#retired.promise));
    try {
      if (host.runsSetup) await runTeardown(this.exports, host.drainTimeoutMs);
    } catch (error) {
      host.log.error({ err: error, plugin: name, generation: this.number }, "teardown failed");
    }
    for (const dependency of this.#dependencies) dependency.#dependents.delete(this);
    host.stackTraces.delete(this.id);
    this.#retired.resolve();
  }
}

/** Names a generation in stack traces and logs. */
export function generationId(name: string, number: number): string {
  return `${name}@${number}`;
}
