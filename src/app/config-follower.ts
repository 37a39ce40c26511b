import { join } from "node:path";
import type { Logger } from "pino";
import { valueAt } from "../config/json/values.ts";
import type { LoadedConfig } from "../config/load.ts";
import { isEndless, isVacant } from "../files/text.ts";
import { watchFile } from "../files/watch.ts";

/** What is read at the start only; a section stands for all that is in it. */
const RESTART_KEYS = [
  "app.name",
  "app.data_directory",
  "server.host",
  "server.port",
  "server.workers",
  "server.tls",
  "server.watchdog_timeout",
  "database.url",
  "database.pool_size",
  "database.durability",
  "database.statement_timeout",
  "database.transaction_timeout",
  "database.echo",
  "security",
  "cache",
  "redis",
  "jobs.backend",
  "storage.backend",
  "backups.schedule",
  "logging.directory",
  "logging.console",
  "logging.max_bytes",
  "logging.backup_count",
  "monitoring.enabled",
  "monitoring.otlp_endpoint",
];

const VACANT_MS = 3000; // an editor or a deployment that replaces a file takes less

export interface ConfigFollowerOptions {
  /** What the app was built with: some keys stay as they were then. */
  readonly initial: LoadedConfig;
  /** Loads the configuration as it is now. @throws ConfigError */
  readonly load: () => LoadedConfig;
  /** Configures the app; resolves once the plugins follow it. */
  readonly apply: (loaded: LoadedConfig) => Promise<void>;
  readonly log: Logger;
}

/**
 * Keeps a running app configured as config.json says. What can't be used changes nothing, nor does a file that is
 * missing or empty: the configuration that was read last stays.
 */
export class ConfigFollower {
  readonly #options: ConfigFollowerOptions;
  #loaded: LoadedConfig;
  #reloading: Promise<boolean> = Promise.resolve(false);
  #unwatch: () => void = () => {};
  #vacancy: Timer | null = null;
  #isStopped = false;

  constructor(options: ConfigFollowerOptions) {
    this.#options = options;
    this.#loaded = options.initial;
  }

  /** The configuration that applies now. */
  get loaded(): LoadedConfig {
    return this.#loaded;
  }

  /** Applies each change of the file from now on. */
  start(): void {
    const { initial, log } = this.#options;
    this.#unwatch = watchFile(initial.file, {
      onChange: () => void this.reload(),
      onError: (error) => log.warn({ err: error }, "changes to the configuration are not seen"),
    });
  }

  /** Applies nothing any more. */
  stop(): void {
    this.#isStopped = true;
    this.#unwatch();
    clearTimeout(this.#vacancy ?? undefined);
  }

  /**
   * Reads the configuration and applies what has changed, one change after another; resolves once the plugins follow it,
   * with whether anything was applied.
   */
  reload(): Promise<boolean> {
    this.#reloading = this.#reloading
      .then(() => this.#reload())
      .catch((error: unknown) => {
        this.#options.log.error({ err: error }, "the configuration can't be applied");
        return false;
      });
    return this.#reloading;
  }

  async #reload(): Promise<boolean> {
    const { initial, load, apply, log } = this.#options;
    if (this.#isStopped) return false;
    let next: LoadedConfig | null = null;
    let problem = "";
    try {
      assertEnds(initial.file);
      assertEnds(join(initial.directory, ".env"));
      next = load();
    } catch (error) {
      problem = error instanceof Error ? error.message : String(error);
    }
    const isGone = this.#loaded.exists && (next === null ? isVacant(initial.file) : !next.exists);
    if (isGone) {
      this.#vacancy ??= setTimeout(() => this.#tellVacancy(), VACANT_MS).unref();
      return false;
    }
    clearTimeout(this.#vacancy ?? undefined);
    this.#vacancy = null;
    if (next === null) {
      log.error(`${problem}\nThe running configuration stays`);
      return false;
    }
    const isSame = Bun.deepEquals(next.config, this.#loaded.config);
    this.#loaded = next;
    if (isSame) return false;
    await apply(next);
    const late = findRestartKeys(initial, next);
    if (late.length > 0) log.warn(`restart to apply: ${late.join(", ")}`);
    log.info("configuration applied");
    return true;
  }

  #tellVacancy(): void {
    this.#vacancy = null;
    const { initial, log } = this.#options;
    if (!isVacant(initial.file)) return void this.reload();
    log.warn(
      { file: initial.file },
      `${initial.file} has been missing or empty for ${VACANT_MS / 1000} s: the running configuration stays; ` +
        "put the file back, or {} in it for the defaults",
    );
  }
}

/** Only a start may wait for whoever writes into a pipe. @throws TypeError */
function assertEnds(file: string): void {
  if (isEndless(file)) throw new TypeError(`Cannot use ${file}: it is a pipe or a device, and not a file`);
}

/** Keys that differ from what the server was started with, and that it can't apply while it runs. */
function findRestartKeys(running: LoadedConfig, next: LoadedConfig): string[] {
  return RESTART_KEYS.filter((key) => {
    const path = key.split(".");
    return !Bun.deepEquals(valueAt(running.config, path), valueAt(next.config, path));
  });
}
