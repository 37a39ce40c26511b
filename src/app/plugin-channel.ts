import { chmodSync, mkdirSync, readdirSync, rmSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Logger } from "pino";
import type { LoadedConfig } from "../config/load.ts";
import type { summarizePlugin } from "../plugins/admin/answers.ts";
import type { PluginManager } from "../plugins/manager.ts";

/** What `/system/plugins` says of each plugin. */
export type PluginSummaries = readonly ReturnType<typeof summarizePlugin>[];

interface Answer {
  /** Plugins directory of the server. */
  readonly directory: string;
  readonly plugins: PluginSummaries;
}

const SOCKET = /^(\d+)-[0-9a-f]+\.sock$/;
const SETTLE_MS = 2000;
const ANSWER_MS = 5000;

/**
 * Answers commands that ask the running server which state its plugins are in: what a look at their files doesn't tell.
 * They find its socket in the data directory, which is nobody's but its user's. Where there can be none, commands look at the
 * files.
 *
 * @returns what closes it
 */
export function openPluginChannel(loaded: LoadedConfig, plugins: PluginManager, log: Logger): () => void {
  try {
    const folder = toFolder(loaded);
    mkdirSync(folder, { recursive: true });
    chmodSync(folder, 0o700);
    removeStale(folder);
    const file = join(folder, `${process.pid}-${crypto.randomUUID().slice(0, 8)}.sock`);
    const server = Bun.serve({
      unix: file,
      development: false,
      async fetch() {
        // Most servers are never asked.
        const answers = await import("../plugins/admin/answers.ts");
        await Promise.race([plugins.settled(), Bun.sleep(SETTLE_MS)]);
        const answer: Answer = {
          directory: toDirectory(loaded),
          plugins: plugins.list().map((record) => answers.summarizePlugin(record)),
        };
        return Response.json(answer);
      },
    });
    server.unref();
    return () => {
      void server.stop(true);
      rmSync(file, { force: true });
    };
  } catch (error) {
    log.debug({ err: error }, "commands can't ask this server: they look at the files of plugins");
    return () => {};
  }
}

/** Asks the server that runs for this project, if one does, which state its plugins are in; null when none answers. */
export async function askRunningServer(loaded: LoadedConfig): Promise<PluginSummaries | null> {
  for (const file of listSockets(toFolder(loaded))) {
    try {
      const signal = AbortSignal.timeout(ANSWER_MS);
      // oxlint-disable-next-line no-await-in-loop -- mostly there is one
      const response = await fetch("http://localhost/", { unix: file, signal });
      // oxlint-disable-next-line no-await-in-loop -- as above
      const { directory, plugins } = (await response.json()) as Answer;
      if (directory === toDirectory(loaded)) return plugins;
    } catch {
      // Left behind by one that was killed, or of another version.
    }
  }
  return null;
}

function toFolder({ directory, config }: LoadedConfig): string {
  return join(resolve(directory, config.app.data_directory), "run");
}

function toDirectory({ directory, config }: LoadedConfig): string {
  return resolve(directory, config.plugins.directory);
}

/** Sockets in a folder, that of the server that was started last first. */
function listSockets(folder: string): string[] {
  try {
    return readdirSync(folder)
      .filter((name) => SOCKET.test(name))
      .map((name) => join(folder, name))
      .map((file) => ({ file, startedMs: statSync(file).mtimeMs }))
      .toSorted((a, b) => b.startedMs - a.startedMs)
      .map(({ file }) => file);
  } catch {
    return [];
  }
}

/** Removes what servers that were killed have left. */
function removeStale(folder: string): void {
  for (const name of readdirSync(folder)) {
    const pid = Number(SOCKET.exec(name)?.[1]);
    if (!Number.isNaN(pid) && !isRunning(pid)) rmSync(join(folder, name), { force: true });
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
