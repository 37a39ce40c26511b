import type { Logger } from "pino";
import type { Config } from "../../config/schema.ts";
import type { Predecessor } from "../../cluster/successor.ts";
import { fail } from "../../errors/codes.ts";
import type { ServiceManager } from "../../native/service-manager.ts";
import type { WebServer } from "../../web/server.ts";

const CHECK_MS = 250;

export interface SuccessionOptions {
  readonly log: Logger;
  readonly version: string;
  readonly web: WebServer;
  /** What the configuration says of where it listens. */
  readonly server: Config["server"];
  readonly predecessor?: Predecessor;
  readonly manager?: ServiceManager | null;
  readonly successorCommand: readonly string[];
  /** Names of the plugins that serve now. */
  readonly listServing: () => readonly string[];
}

/**
 * A server process between the one before it and the one after it: taking over at its start, handing over at its end, and
 * telling the service manager which of them counts.
 */
export class Succession {
  readonly #options: SuccessionOptions;
  readonly #stopped = new AbortController();
  #handingOver: Promise<unknown> | null = null;
  /** Whether another process speaks for the service by now. */
  #isOver = false;

  constructor(options: SuccessionOptions) {
    this.#options = options;
  }

  /** Where it listens beside the one before it; null where it is the first, or its configuration says another address. */
  get sharedAddress(): { hostname: string; port: number; isShared: true } | null {
    const { predecessor, server } = this.#options;
    if (predecessor === undefined) return null;
    const { hostname, port, configuredPort } = predecessor.order;
    const isSame = hostname === server.host && configuredPort === server.port;
    return isSame ? { hostname, port, isShared: true } : null;
  }

  /** Waits until the plugins are loaded and the server is healthy: one that takes over answers nobody before. */
  async untilHealthy(started: Promise<unknown>, signal: AbortSignal): Promise<void> {
    await started;
    // oxlint-disable-next-line no-await-in-loop -- one check after another; whoever has started it ends it when it takes too long
    while (!signal.aborted && !(await this.#isHealthy())) await Bun.sleep(CHECK_MS);
  }

  /** Tells whom it concerns that the server answers: the process before it, and the service manager. */
  tellReady(url: string): void {
    const { predecessor, version, listServing } = this.#options;
    if (predecessor === undefined) return this.#tellManager(url);
    predecessor.checkHealth = () => this.#isHealthy();
    predecessor.tellReady({
      version,
      isSameAddress: this.sharedAddress !== null,
      serving: listServing(),
    });
    void predecessor.confirmed.then(() => this.#tellManager(url));
    void predecessor.gone.then(() => this.#keepPorts());
  }

  /**
   * Has a new process take over.
   *
   * @returns what leaves the address to it: resolves once nobody is refused when this process closes its socket
   * @throws AppError hand_over_failed: this process goes on
   */
  async handOver(steadyMs: number): Promise<{ readonly pid: number; readonly leave: () => Promise<void> }> {
    if (this.#handingOver !== null) {
      throw fail("hand_over_failed", "Cannot hand over to a new process: another one is starting already");
    }
    const handingOver = this.#handOver(steadyMs);
    this.#handingOver = handingOver.catch(() => (this.#handingOver = null));
    return handingOver;
  }

  /** Hands over no more: a process that was to take over has ended when this resolves. */
  async stop(): Promise<void> {
    const { manager } = this.#options;
    this.#stopped.abort();
    if (!this.#isOver) manager?.tell("STOPPING=1", "STATUS=Stopping");
    await this.#handingOver;
    manager?.stop();
  }

  async #handOver(steadyMs: number) {
    const { log, web, server, successorCommand, listServing, manager } = this.#options;
    const port = web.bun?.port;
    if (port === undefined)
      throw fail("hand_over_failed", "Cannot hand over to a new process: this one is starting");
    const { handOver } = await import("./hand-over.ts");
    const { pid, version, confirm, leave } = await handOver({
      log,
      command: successorCommand,
      environment: { ...process.env, ...manager?.environment },
      order: { hostname: server.host, port, configuredPort: server.port },
      otherPorts: this.#otherPorts,
      steadyMs,
      listServing,
      setLeaving: (isLeaving) => void (web.isLeaving = isLeaving),
      signal: this.#stopped.signal,
    });
    log.info({ pid, version }, `process ${pid} takes over`);
    this.#isOver = true;
    manager?.tell(`MAINPID=${pid}`);
    manager?.stop();
    confirm();
    return { pid, leave };
  }

  /** Where it listens beside the port of the server. */
  get #otherPorts(): number[] {
    const { redirect_port } = this.#options.server.tls;
    return redirect_port === null ? [] : [redirect_port];
  }

  /** Lets no other process listen where this one does, now that the one before it has ended. */
  async #keepPorts(): Promise<void> {
    const { keepPort } = await import("../../native/listening-socket.ts");
    await Promise.all([this.#options.web.listeners.keepPort(), ...this.#otherPorts.map(keepPort)]);
  }

  async #isHealthy(): Promise<boolean> {
    const request = new Request("http://localhost/health");
    return (await this.#options.web.answerFor(request, request)).ok;
  }

  #tellManager(url: string): void {
    this.#options.manager?.tell("READY=1", `STATUS=Listening on ${url}`);
    this.#options.manager?.beat();
  }
}
