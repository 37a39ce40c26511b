import { resolve } from "node:path";
import { type App, createApp } from "./app.ts";
import type { LoadedConfig } from "../config/load.ts";
import { watchFile } from "../files/watch.ts";
import { describeBuildFailure, toListenError } from "./failure-text.ts";
import { openPluginChannel } from "./plugin-channel.ts";
import { followProcess } from "./process-events.ts";

const STARTUP_HOLD_MS = 5000; // a plugin whose setup takes longer no longer holds up the others
const SHRINK_AFTER_MS = 500;
const STOP_TIMEOUT_MS = 30_000;

export interface ServerProcessOptions {
  readonly version: string;
  /** Loads the configuration, now and whenever its file changes. */
  readonly load: () => LoadedConfig;
}

interface Address {
  readonly hostname: string;
  readonly port: number;
}

/** A server that runs in this process until a signal stops it, or new code takes over its socket. */
export class ServerProcess {
  readonly #options: ServerProcessOptions;
  readonly #app: App;
  /** What the app was built with: some keys stay as they were then. */
  readonly #initial: LoadedConfig;
  #loaded: LoadedConfig;
  readonly #disposals: (() => void)[] = [];
  #closeChannel: () => void = () => {};
  #stopping: Promise<void> | null = null;
  #reloading: Promise<void> = Promise.resolve();

  private constructor(options: ServerProcessOptions, loaded: LoadedConfig, app: App) {
    this.#options = options;
    this.#initial = loaded;
    this.#loaded = loaded;
    this.#app = app;
  }

  /**
   * Builds a server with its database open; it doesn't listen yet.
   *
   * @throws ConfigError
   * @throws DatabaseError or MigrationError when the database can't be used
   */
  static async create(options: ServerProcessOptions): Promise<ServerProcess> {
    const loaded = options.load();
    let server: ServerProcess | null = null;
    const reloadConfig = async (): Promise<void> => {
      if (server !== null) await server.#reload();
    };
    const app = await createApp({ loaded, version: options.version, reloadConfig });
    server = new ServerProcess(options, loaded, app);
    return server;
  }

  /** Address that it answers at. */
  get url(): string {
    return this.#loaded.config.server.public_url ?? this.#app.web.url ?? "";
  }

  /** Address that it was told to listen on. */
  get address(): Address {
    const { host, port } = this.#initial.config.server;
    return { hostname: host, port };
  }

  get socket(): Bun.Server<unknown> | null {
    return this.#app.web.bun;
  }

  /**
   * Listens, loads the plugins, and emits `server.started`.
   *
   * @throws AppError port_unavailable when it can't listen
   */
  async start(): Promise<void> {
    const app = this.#app;
    await this.#listen(null);
    this.#followEvents();
    await app.web.holdUntil(app.plugins.start(), STARTUP_HOLD_MS);
    this.#announce("listening");
    await app.accounts.setup.announce(this.url);
    // Starting leaves garbage behind that a server without traffic would keep for long.
    setTimeout(() => Bun.shrink(), SHRINK_AFTER_MS).unref();
    await app.hooks.emit("server.started", { url: this.url, version: this.#options.version });
  }

  /**
   * Loads everything beside the server that runs, then takes over its socket. Under `bun --hot` that server is
   * of an earlier evaluation of this class, so only its public side can be used.
   *
   * @throws AppError port_unavailable when it must listen elsewhere and can't; the other server then goes on
   */
  async takeOverFrom(running: ServerProcess): Promise<void> {
    const app = this.#app;
    const isSameAddress = Bun.deepEquals(this.address, running.address);
    await app.plugins.start();
    try {
      await app.loadCore(); // a mistake in its sources must not take over
    } catch (error) {
      await this.dispose();
      throw error;
    }
    await this.#listen(isSameAddress ? running.socket : null);
    running.release();
    this.#followEvents();
    this.#announce("swapped");
    await app.accounts.setup.announce(this.url);
    if (!isSameAddress) await running.closeSocket();
    await running.dispose();
    app.loggers.app.info("the server before is disposed of");
  }

  /** Stops following the process and the configuration: another server does that from now on. */
  release(): void {
    this.#closeChannel();
    for (const undo of this.#disposals.splice(0)) undo();
  }

  /** Takes no new connection, and waits for the requests under way. */
  async closeSocket(): Promise<void> {
    await this.#app.web.stop(STOP_TIMEOUT_MS);
  }

  /** Drains the plugins and disposes of them, closes the database, and flushes the logs. */
  async dispose(): Promise<void> {
    await this.#app.close();
  }

  /** Finishes the requests under way, disposes of the plugins, and flushes the logs. */
  stop(reason: string): Promise<void> {
    this.#stopping ??= this.#stop(reason);
    return this.#stopping;
  }

  /** @throws AppError port_unavailable once the app, which can't listen, is disposed of */
  async #listen(previous: Bun.Server<unknown> | null): Promise<void> {
    try {
      this.#app.web.listen(this.address, previous);
    } catch (error) {
      await this.dispose();
      throw await toListenError(error, this.address);
    }
  }

  async #stop(reason: string): Promise<void> {
    const app = this.#app;
    app.loggers.app.info({ reason }, "stopping");
    this.#closeChannel();
    await app.hooks.emit("server.stopping", { reason });
    await this.closeSocket();
    await app.plugins.stop();
    app.loggers.app.info("stopped");
    await app.close();
  }

  #announce(message: string): void {
    const app = this.#app;
    const states = app.plugins.list().map(({ state }) => state);
    const failed = states.filter((state) => state === "failed").length;
    app.loggers.app.info(
      { url: this.url, version: this.#options.version, plugins: states.length, failed },
      `${message} on ${this.url}`,
    );
  }

  #followEvents(): void {
    this.#closeChannel = openPluginChannel(this.#initial, this.#app.plugins, this.#app.loggers.app);
    const { loggers, stackTraces } = this.#app;
    this.#disposals.push(
      followProcess({
        stop: (signal) => this.stop(signal),
        onError: (error) =>
          loggers.app.error(
            { err: error, ...stackTraces.throwerOf(error) },
            describeBuildFailure(error) ?? "uncaught error",
          ),
      }),
      watchFile(this.#initial.file, {
        onChange: () => void this.#reload(),
        onError: (error) => loggers.app.warn({ err: error }, "changes to the configuration are not seen"),
      }),
    );
  }

  /** Applies a changed config.json, one change after another; resolves once the plugins follow it. */
  #reload(): Promise<void> {
    this.#reloading = this.#reloading.then(() => this.#applyConfig());
    return this.#reloading;
  }

  /** A config.json that can't be used changes nothing. */
  async #applyConfig(): Promise<void> {
    const { loggers } = this.#app;
    if (this.#stopping !== null) return;
    let next: LoadedConfig;
    try {
      next = this.#options.load();
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      loggers.app.error(`${message}\nThe running configuration stays`);
      return;
    }
    if (Bun.deepEquals(next.config, this.#loaded.config)) return;
    this.#loaded = next;
    await this.#app.configure(next);
    const late = findRestartKeys(this.#initial, next);
    if (late.length > 0) loggers.app.warn({ keys: late }, `restart to apply: ${late.join(", ")}`);
    loggers.app.info("configuration applied");
  }
}

/** Keys that differ from what the server was started with, and that it can't apply while it runs. */
function findRestartKeys(running: LoadedConfig, next: LoadedConfig): string[] {
  const { server: from, logging: fromLog, database: fromDatabase } = running.config;
  const { server: to, logging: toLog, database: toDatabase } = next.config;
  const keys = {
    "server.host": from.host !== to.host,
    "server.port": from.port !== to.port,
    security: !Bun.deepEquals(running.config.security, next.config.security),
    "app.name": running.config.app.name !== next.config.app.name,
    "app.data_directory": running.config.app.data_directory !== next.config.app.data_directory,
    "database.url": fromDatabase.url !== toDatabase.url,
    "database.pool_size": fromDatabase.pool_size !== toDatabase.pool_size,
    "database.durability": fromDatabase.durability !== toDatabase.durability,
    "database.echo": fromDatabase.echo !== toDatabase.echo,
    "logging.directory":
      resolve(running.directory, fromLog.directory) !== resolve(next.directory, toLog.directory),
    "logging.console": fromLog.console !== toLog.console,
    "logging.max_bytes": fromLog.max_bytes !== toLog.max_bytes,
    "logging.backup_count": fromLog.backup_count !== toLog.backup_count,
  };
  return Object.entries(keys).flatMap(([key, differs]) => (differs ? [key] : []));
}
