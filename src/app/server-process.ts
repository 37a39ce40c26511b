import { type App, createApp } from "./app.ts";
import type { LoadedConfig } from "../config/load.ts";
import type { Predecessor } from "../cluster/successor.ts";
import type { WorkerChannel } from "../cluster/worker-process.ts";
import { openCertificateBox } from "./cluster.ts";
import { ConfigFollower } from "./config-follower.ts";
import type { LoadShared } from "./context.ts";
import { describeBuildFailure, toListenError } from "./failure-text.ts";
import { Https, speaksTls } from "../web/https/https.ts";
import { AppError } from "../errors/errors.ts";
import { type HandedOver, openCommandChannel } from "./command-channel.ts";
import { followProcess, ignoreHarmlessSignals } from "./lifetime/process-events.ts";
import { aborted } from "./lifetime/shutdown.ts";
import { Succession } from "./lifetime/succession.ts";
import type { ServiceManager } from "../native/service-manager.ts";
import { guardEnding, watchLoop } from "./oversight.ts";

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
  /** The process that it takes over from. @default none */
  readonly predecessor?: Predecessor;
  /** Who has started it, and is told how it is. @default nobody */
  readonly manager?: ServiceManager | null;
  /** What starts a process that takes over from it. */
  readonly successorCommand: readonly string[];
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
  readonly #succession: Succession;
  readonly #disposals: (() => void)[] = [];
  #end: (code: number) => void = (code) => process.exit(code);
  #closeChannel: () => void = () => {};
  #https: Https | null = null;
  #stopping: Promise<number> | null = null;

  private constructor(options: ServerProcessOptions, app: App) {
    this.#options = options;
    this.#initial = options.loaded;
    this.#app = app;
    this.#config = new ConfigFollower({
      initial: app.live.loaded,
      load: () => options.load(app.shared?.config ?? {}),
      apply: (next) => app.configure(next),
      log: app.loggers.app,
    });
    this.#succession = new Succession({
      ...options,
      web: app.web,
      server: options.loaded.config.server,
      log: app.loggers.app,
      listServing: () => app.plugins.list().flatMap(({ name, current }) => (current === null ? [] : name)),
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
      worker: worker ?? null,
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
    const { host, port, workers } = this.#initial.config.server;
    const { worker } = this.#options;
    const isSecure = speaksTls(this.#initial);
    if (worker === undefined) {
      const place = this.#succession.sharedAddress ?? { hostname: host, port, isShared: false };
      return { ...place, processes: 1, isSecure };
    }
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
    const { worker, predecessor } = this.#options;
    const isAlone = worker === undefined && predecessor === undefined;
    if (isAlone) await this.#listen(null);
    this.#followEvents();
    const started = app.plugins.start();
    void started.then(() => app.templates.report()).catch(() => {}); // who waits for it is told
    if (isAlone) {
      await app.web.holdUntil(started, STARTUP_HOLD_MS);
    } else {
      // Others answer meanwhile.
      await (worker === undefined
        ? this.#succession.untilHealthy(started, app.shutdown.requests)
        : Promise.race([started, Bun.sleep(STARTUP_HOLD_MS)]));
      if (this.#stopping === null) await this.#listen(null);
    }
    if (this.#stopping !== null) return;
    this.#announce("listening");
    await this.#announceSetup();
    worker?.tellReady();
    this.#succession.tellReady(this.url);
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
   * Has a new process take over, and stops this one then: no request is refused meanwhile.
   *
   * @param steadyMs how long the new process has to go on until this one stops
   * @throws AppError hand_over_failed: this process goes on
   */
  async #handOver(steadyMs: number): Promise<HandedOver> {
    const { pid, leave } = await this.#succession.handOver(steadyMs);
    void leave()
      .then(() => this.stop(`process ${pid} has taken over`))
      .then(this.#end);
    return { pid };
  }

  /** @throws AppError port_unavailable or config_invalid, once the app, which can't listen, is disposed of */
  async #listen(previous: Bun.Server<unknown> | null): Promise<void> {
    const { web, loggers, secretKey } = this.#app;
    const worker = this.#options.worker?.number ?? null;
    try {
      this.#https = await Https.open({
        loaded: this.#initial,
        web,
        log: loggers.app,
        worker,
        isShared: this.address.isShared,
        openBox: () => openCertificateBox(secretKey),
      });
      web.listen({ ...this.address, certificate: this.#https?.certificate ?? null }, previous);
      await this.#https?.start(toListenError);
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
      ["ending the process that was to take over", () => this.#succession.stop()],
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
    this.#closeChannel = openCommandChannel(
      this.#initial,
      { ...this.#app, ...(this.#options.worker === undefined && { handOver: (ms) => this.#handOver(ms) }) },
      this.#app.loggers.app,
    );
    const { loggers, stackTraces } = this.#app;
    const unguard = guardEnding(this.#app);
    const end = (this.#end = (code: number): void => {
      unguard();
      process.exit(code);
    });
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

  async #watchLoop(): Promise<void> {
    const stop = await watchLoop(this.#app, {
      initial: this.#initial,
      worker: this.#options.worker?.number ?? null,
      shutdownTimeout: () => this.#shutdownMs / 1000,
    });
    if (this.#stopping === null) this.#disposals.push(stop);
    else stop();
  }
}
