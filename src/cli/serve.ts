import { Command, InvalidArgumentError, Option } from "commander";
import { describeFailure } from "../app/failure-text.ts";
import type { ServerProcess, WorkerRole } from "../app/server-process.ts";
import type { Predecessor } from "../cluster/successor.ts";
import type { JsonObject } from "../config/json/values.ts";
import type { LoadedConfig } from "../config/load.ts";
import { isFault } from "../db/contract/database-error.ts";
import type { ConfigOverrides } from "../config/schema.ts";
import { fail } from "../errors/codes.ts";
import type { ServiceManager } from "../native/service-manager.ts";
import type { CommandContext } from "./open/command-context.ts";
import { toExamples } from "./terminal/output.ts";
import { findRunningServer, runServer } from "../app/running-server.ts";

/** Arguments that are for one process only. */
const SAID_ONCE = new Set(["--successor", "--new", "--open"]);

interface ServeOptions {
  readonly host?: string;
  readonly port?: number;
  readonly workers?: number;
  /** Number of the worker that this process is. */
  readonly worker?: number;
  /** Takes over from the process that has started it. */
  readonly successor?: boolean;
  readonly open?: boolean;
  readonly offline?: boolean;
  readonly new?: boolean;
}

/** `xcore serve`: runs the server until SIGTERM or SIGINT. */
export function serveCommand(context: CommandContext): Command {
  return new Command("serve")
    .description("Run the server (the default command)")
    .option("-H, --host <host>", "address to listen on, over server.host")
    .option("-p, --port <port>", "port to listen on, over server.port", parsePort)
    .option("-w, --workers <count>", "processes that answer together, over server.workers", parseCount)
    .addOption(new Option("--worker <number>").argParser(parseCount).hideHelp())
    .addOption(new Option("--successor").hideHelp())
    .option("--offline", "fetch nothing: plugins come from the cache and vendor/ alone")
    .option("--new", "make an empty database where the one that was there is gone")
    .option("--open", "open the server's home page in the browser")
    .addHelpText("after", toExamples("xcore", "xcore serve --host 0.0.0.0 --port 8080"))
    .action(async (options: ServeOptions, command: Command) => {
      const predecessor = options.successor === true ? await join() : undefined;
      try {
        await serve(options, { command, context, ...(predecessor && { predecessor }) });
      } catch (error) {
        predecessor?.tellProblem(describeFailure(error));
        throw error;
      }
    });
}

interface Start {
  readonly command: Command;
  readonly context: CommandContext;
  readonly predecessor?: Predecessor;
}

async function serve(options: ServeOptions, { command, context, predecessor }: Start): Promise<void> {
  const { loadFor } = await import("./open/command-context.ts");
  const load = (shared?: JsonObject, text?: string) =>
    loadFor(command, context, toOverrides(options), shared, text);
  const loaded = load();
  const manager = await findManager();
  if (loaded.config.server.workers > 1 && options.worker === undefined) {
    return superviseWorkers(loaded, { options, predecessor, manager });
  }
  const { ServerProcess: Server } = await import("../app/server-process.ts");
  const worker = options.worker === undefined ? undefined : await joinAs(options.worker);
  const isNew = worker?.order.isNew ?? options.new === true;
  const role = { ...(worker && { worker }), ...(predecessor && { predecessor }), manager };
  const create = (asNew: boolean): Promise<ServerProcess> =>
    Server.create({
      version: context.version,
      loaded,
      load,
      isNew: asNew,
      successorCommand: [...toOwnCommand(), "--successor"],
      ...role,
    });
  const server = await create(isNew).catch(async (error: unknown) => {
    if (isNew || !process.stdin.isTTY || !isFault(error, "lost")) throw error;
    const { confirm } = await import("./terminal/prompts.ts");
    if (!(await confirm(`${error.message}\nMake an empty one now?`))) throw error;
    return create(true);
  });
  const isFirst = (await findRunningServer()) === null;
  await runServer(server);
  if (options.open && isFirst && worker === undefined && predecessor === undefined) openInBrowser(server.url);
}

/** How this process was started, without what is said once. */
function toOwnCommand(): string[] {
  const program = Bun.isStandaloneExecutable ? [] : [...process.execArgv, Bun.main];
  return [process.execPath, ...program, ...process.argv.slice(2).filter((arg) => !SAID_ONCE.has(arg))];
}

async function findManager(): Promise<ServiceManager | null> {
  if (process.env["NOTIFY_SOCKET"] === undefined) return null;
  const { findServiceManager } = await import("../native/service-manager.ts");
  return findServiceManager(process.env);
}

interface Supervision {
  readonly options: ServeOptions;
  readonly predecessor: Predecessor | undefined;
  readonly manager: ServiceManager | null;
}

async function superviseWorkers(
  loaded: LoadedConfig,
  { options, predecessor, manager }: Supervision,
): Promise<void> {
  if (predecessor !== undefined) {
    const { workers } = loaded.config.server;
    throw fail(
      "hand_over_failed",
      `server.workers is ${workers} by now: stop the server, and start it again`,
    );
  }
  const { runWorkers } = await import("../app/workers.ts");
  const command = toOwnCommand();
  await runWorkers({
    loaded,
    manager,
    toCommand: (number) => [...command, "--worker", String(number)],
    isNew: options.new === true,
    onReady(url) {
      if (options.open) openInBrowser(url);
    },
  });
}

async function join(): Promise<Predecessor> {
  const { joinPredecessor } = await import("../cluster/successor.ts");
  return joinPredecessor();
}

async function joinAs(number: number): Promise<WorkerRole> {
  const { joinSupervisor } = await import("../cluster/worker-process.ts");
  return { number, ...(await joinSupervisor()) };
}

function parsePort(text: string): number {
  const port = Number(text);
  if (/^\d+$/.test(text) && port <= 65_535) return port;
  throw new InvalidArgumentError("A port is a number between 0 and 65535.");
}

function parseCount(text: string): number {
  const count = Number(text);
  if (/^\d+$/.test(text) && count >= 1) return count;
  throw new InvalidArgumentError("It is a number from 1 on.");
}

function toOverrides({ host, port, workers, offline }: ServeOptions): ConfigOverrides {
  return {
    server: {
      ...(host === undefined ? {} : { host }),
      ...(port === undefined ? {} : { port }),
      ...(workers === undefined ? {} : { workers }),
    },
    ...(offline === undefined ? {} : { plugins: { offline } }),
  };
}

function openInBrowser(url: string): void {
  const openers: Partial<Record<NodeJS.Platform, string[]>> = {
    darwin: ["open", url],
    win32: ["cmd", "/c", "start", "", url],
  };
  try {
    Bun.spawn(openers[process.platform] ?? ["xdg-open", url], {
      stdio: ["ignore", "ignore", "ignore"],
    }).unref();
  } catch {
    // A machine without a browser: the address is in the log.
  }
}
