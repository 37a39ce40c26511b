import type { ServerProcess } from "./server-process.ts";

/** Survives when `bun --hot` evaluates the program again; nothing else does. */
const survivor = globalThis as typeof globalThis & { xcoreServer?: Promise<ServerProcess | null> };

/**
 * Starts a server, or lets it take over from the one that an earlier evaluation of the program left running,
 * one at a time. When that fails, the earlier one goes on.
 *
 * @throws whatever the start throws
 */
export async function runServer(server: ServerProcess): Promise<void> {
  const earlier = findRunningServer();
  const started = earlier.then(async (running) => {
    await (running === null ? server.start() : server.takeOverFrom(running));
    return server;
  });
  survivor.xcoreServer = started.catch(() => earlier);
  await started;
}

/** The server that runs in this process, null when there is none. */
export function findRunningServer(): Promise<ServerProcess | null> {
  return survivor.xcoreServer ?? Promise.resolve(null);
}
