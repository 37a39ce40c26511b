import { join } from "node:path";
import { type App, createApp } from "./app.ts";
import type { LoadedConfig } from "../config/load.ts";
import type { WorkerChannel } from "../cluster/worker-process.ts";
import { ConfigFollower } from "./config-follower.ts";
import { type LoadShared, toLogFolder } from "./context.ts";
import { describeBuildFailure, toListenError } from "./failure-text.ts";
import { Https } from "./https.ts";
import { AppError } from "../errors/errors.ts";
import { guardProcess } from "../plugins/given/globals.ts";
import { openCommandChannel } from "./command-channel.ts";
import { followProcess, ignoreHarmlessSignals } from "./process-events.ts";

const STARTUP_HOLD_MS = 5000; // a plugin whose setup takes longer no longer holds up the others
const SHRINK_AFTER_MS = 500;
const FIRST_RETRY_MS = 1000;
const LAST_RETRY_MS = 60_000;

export interface ServerProcessOptions {
  readonly version: string;
  /** Makes an empty database where the one that was there is gone. @default false */
  readonly isNew?: boolean;
  /** What it is among processes that answer together. @default the only one */
  readonly worker?: WorkerRole;
  /** The configuration that it is started with. */
  readonly loaded: LoadedConfig;
  /** Loads the configuration whenever its file changes, or what was set on all instances. */
  readonly load: LoadShared;
}

/** A server as one of several that share a port. */
export interface WorkerRole extends WorkerChannel {
  readonly number: number;
}

interface Address {
  readonly hostname: string;
  readonly port: number;
  /** Whether other processes listen there too. */
  readonly isShared: boolean;
  /** How many processes listen there. */
  readonly processes: number;
  /** Whether it speaks HTTPS. */
  readonly isSecure: boolean;
}

/** A server that runs in this process until a signal stops it, or new code takes over its socket. */
export class ServerProcess {
  readonly #options: ServerProcessOptions;
  readonly #app: App;
  /** What the app was built with: some keys stay as they were then. */
  readonly #initial: LoadedConfig;
  readonly #config: ConfigFollower;
  readonly #disposals: (() => void)[] = [];
  #closeChannel: () => void = () => {};
  #https: Https | null = null;
  #stopping: Promise<number> | null = null;

  private constructor(options: ServerProcessOptions, app: App) {
    const { loaded } = options;
    this.#options = options;
    this.#initial = loaded;
    this.#app = app;
    this.#config = new ConfigFollower({
      initial: app.live.loaded,
      load: () => options.load(app.shared?.config ?? {}),
      apply: (next) => app.configure(next),
      log: app.loggers.app,
    });
  }

  /**
   * Builds a server with its database open; it doesn't listen yet.
   *
   * @throws ConfigError
   * @throws DatabaseError or MigrationError when the database can't be used
   */
  static async create(options: ServerProcessOptions): Promise<ServerProcess> {
    ignoreHarmlessSignals();
    let server: ServerProcess | null = null;
    const reloadConfig = async (): Promise<void> => {
      if (server !== null) await server.#config.reload();
    };
    const { version, loaded, isNew = false, worker } = options;
    const app = await createApp({
      loaded,
      load: options.load,
      version,
      isNew,
      reloadConfig,
      worker: worker?.number ?? null,
    });
    server = new ServerProcess(options, app);
    return server;
  }

  /** Address that it answers at. */
  get url(): string {
    return this.#config.loaded.config.server.public_url ?? this.#app.web.url ?? "";
  }

  /** Address that it was told to listen on. */
  get address(): Address {
    const { host, port, workers, tls } = this.#initial.config.server;
    const { worker } = this.#options;
    const isSecure = tls.cert !== null;
    if (worker === undefined) return { hostname: host, port, isShared: false, processes: 1, isSecure };
    const { order } = worker;
    return { hostname: order.hostname, port: order.port, isShared: true, processes: workers, isSecure };
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
    const { worker } = this.#options;
    if (worker === undefined) await this.#listen(null);
    this.#followEvents();
    const started = app.plugins.start();
    void started.then(() => app.templates.report()).catch(() => {}); // who waits for it is told
    if (worker === undefined) {
      await app.web.holdUntil(started, STARTUP_HOLD_MS);
    } else {
      // The others answer meanwhile.
      await Promise.race([started, Bun.sleep(STARTUP_HOLD_MS)]);
      if (this.#stopping === null) await this.#listen(null);
    }
    if (this.#stopping !== null) return;
    this.#announce("listening");
    await this.#announceSetup();
    worker?.tellReady();
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
    await this.#announceSetup();
    if (!isSameAddress) await running.closeSocket();
    await running.dispose();
    app.loggers.app.info("the server before is disposed of");
  }

  /** Stops following the process and the configuration: another server does that from now on. */
  release(): void {
    this.#closeChannel();
    this.#https?.stop();
    for (const undo of this.#disposals.splice(0)) undo();
  }

  /** Takes no new connection, and waits for the requests under way. */
  async closeSocket(): Promise<void> {
    await this.#app.web.stop(this.#shutdownMs);
  }

  /** Drains the plugins and disposes of them, closes the database, and flushes the logs. */
  async dispose(): Promise<void> {
    await this.#app.close();
  }

  /**
   * Finishes the requests under way, disposes of the plugins, and flushes the logs, within `server.shutdown_timeout` in
   * all. Resolves with the exit code: 1 where something took longer and is cut off.
   */
  stop(reason: string): Promise<number> {
    this.#stopping ??= this.#stop(reason);
    return this.#stopping;
  }

  /**
   * @throws AppError port_unavailable once the app, which can't listen, is disposed of
   * @throws AppError config_invalid likewise, for a certificate that can't be used
   */
  async #listen(previous: Bun.Server<unknown> | null): Promise<void> {
    const { web, loggers } = this.#app;
    const worker = this.#options.worker?.number ?? null;
    try {
      this.#https = await Https.open({ loaded: this.#initial, web, log: loggers.app, worker });
      web.listen({ ...this.address, certificate: this.#https?.certificate ?? null }, previous);
      await this.#https?.start();
    } catch (error) {
      await this.dispose();
      throw error instanceof AppError ? error : await toListenError(error, this.address);
    }
  }

  get #shutdownMs(): number {
    return this.#config.loaded.config.server.shutdown_timeout * 1000;
  }

  async #stop(reason: string): Promise<number> {
    const { shutdown, loggers } = this.#app;
    const timeoutMs = this.#shutdownMs;
    loggers.app.info({ reason }, "stopping");
    shutdown.begin(timeoutMs);
    let stage = "";
    const run = async (): Promise<"stopped"> => {
      for (const [name, work] of this.#stages(reason)) {
        stage = name;
        // oxlint-disable-next-line no-await-in-loop -- one stage after another
        await work();
      }
      return "stopped";
    };
    if ((await Promise.race([run(), shutdown.over])) === "stopped") return 0;
    const limit = `server.shutdown_timeout, ${timeoutMs / 1000} s`;
    loggers.app.error(`stopping took longer than ${limit}: cut off while ${stage}`);
    await loggers.flush();
    return 1;
  }

  /** What stopping does, one after another. */
  #stages(reason: string): [doing: string, work: () => Promise<unknown>][] {
    const app = this.#app;
    this.#config.stop();
    this.#closeChannel();
    this.#https?.stop();
    return [
      [
        "telling plugins",
        () => Promise.race([app.hooks.emit("server.stopping", { reason }), aborted(app.shutdown.requests)]),
      ],
      [
        "waiting for requests, jobs and tasks",
        () =>
          Promise.all([
            this.#stopAnswering(),
            ...[app.jobs, app.tasks].map((work) => work.close(app.shutdown.requests)),
          ]),
      ],
      ["disposing of plugins", () => app.plugins.stop()],
      [
        "closing the database",
        () => {
          app.loggers.app.info("stopped");
          return app.close();
        },
      ],
    ];
  }

  async #stopAnswering(): Promise<void> {
    const { web, shutdown } = this.#app;
    await Promise.race([web.leave(null), aborted(shutdown.requests)]);
    await web.stop(shutdown.requestsLeftMs);
  }

  async #reloadOnSignal(): Promise<void> {
    const log = this.#app.loggers.app;
    log.info("SIGHUP: reading the configuration again");
    await this.#https?.check();
    if (!(await this.#config.reload())) log.info("SIGHUP: nothing to apply");
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

  /** Tells how to make the first administrator; asks the database later where it can't answer now. */
  async #announceSetup(attempt = 1): Promise<void> {
    const { accounts, loggers } = this.#app;
    try {
      await accounts.setup.announce(this.url, this.#options.worker?.order.setup);
    } catch (error) {
      if (this.#stopping !== null) return;
      const ms = Math.min(FIRST_RETRY_MS * 2 ** (attempt - 1), LAST_RETRY_MS);
      const retry = `asked again in ${ms / 1000} s`;
      loggers.app.warn({ err: error }, `it isn't known whether there is an administrator yet: ${retry}`);
      const timer = setTimeout(() => void this.#announceSetup(attempt + 1), ms).unref();
      this.#disposals.push(() => clearTimeout(timer));
    }
  }

  #followEvents(): void {
    this.#closeChannel = openCommandChannel(this.#initial, this.#app, this.#app.loggers.app);
    const { loggers, stackTraces } = this.#app;
    const unguard = guardProcess((call) => this.#tellEnding(call));
    const end = (code: number): void => {
      unguard();
      process.exit(code);
    };
    this.#options.worker?.onRetire((successor) => void this.#retire(successor).then(end));
    this.#disposals.push(
      unguard,
      followProcess({
        end,
        stop: (signal) => this.stop(signal),
        reload: () => void this.#reloadOnSignal(),
        onError: (error) =>
          loggers.app.error(
            { err: error, ...stackTraces.throwerOf(error) },
            describeBuildFailure(error) ?? "uncaught error",
          ),
      }),
      () => this.#config.stop(),
    );
    this.#config.start();
    // Only plugins hold the event loop: without one there is nothing to watch.
    this.#app.activity.begin = () => this.#watchLoop();
  }

  /** Stops once another has its new connections, or its supervisor is gone. */
  async #retire(successor: number | null): Promise<number> {
    if (this.#stopping !== null) return this.#stopping;
    if (successor === null) return this.stop("its supervisor is gone");
    await this.#app.web.leave(successor);
    return this.stop("replaced by another worker");
  }

  #tellEnding(call: string): void {
    const { loggers, stackTraces } = this.#app;
    const error = new Error(call);
    const thrower = stackTraces.throwerOf(error);
    const who = thrower === null ? "code" : "plugin";
    loggers.app.error(
      { ...thrower, place: stackTraces.placeOf(error) },
      `${who} called ${call}: refused, the server goes on`,
    );
  }

  async #watchLoop(): Promise<void> {
    const { loggers, web, activity, database } = this.#app;
    const { config } = this.#initial;
    const worker = this.#options.worker?.number ?? null;
    const { Watchdog } = await import("./watchdog.ts");
    if (this.#stopping !== null) return;
    const watchdog = new Watchdog({
      log: loggers.app,
      logFile: join(toLogFolder(this.#initial, worker), "app.log"),
      worker,
      console: config.logging.console,
      timeout: config.server.watchdog_timeout,
      shutdownTimeout: () => this.#config.loaded.config.server.shutdown_timeout,
    });
    this.#disposals.push(() => watchdog.stop());
    await watchdog.start();
    web.onRequest = watchdog.note;
    activity.note = watchdog.noteRun;
    void database.limitStatements?.(); // beside the loading of plugins
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  if (signal.aborted) resolve();
  else signal.addEventListener("abort", () => resolve(), { once: true });
  return promise;
}
