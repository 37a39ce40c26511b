import type { Credentials, Instance, ThreeInstances } from "./three-instances.ts";

/** Opens a stream of events; what it returns resolves once that has ended. */
async function openStream(instance: Instance, headers: Credentials): Promise<() => Promise<void>> {
  const { body } = await instance.fetch("/shop/events", { headers });
  const reader = (body as ReadableStream<Uint8Array>).getReader();
  await reader.read();
  return async () => {
    // oxlint-disable-next-line no-await-in-loop
    while (!(await reader.read().catch(() => ({ done: true }))).done);
  };
}

/** Opens a WebSocket; what it returns resolves once that is closed. */
async function openSocket(url: string, headers: Credentials): Promise<() => Promise<void>> {
  const socket = new WebSocket(`${url.replace("http", "ws")}/shop/socket`, { headers } as never);
  const opened = Promise.withResolvers<void>();
  const closed = Promise.withResolvers<void>();
  socket.addEventListener("message", () => opened.resolve());
  socket.addEventListener("close", () => {
    opened.reject(new Error("The WebSocket was closed before it said anything"));
    closed.resolve();
  });
  await opened.promise;
  return () => closed.promise;
}

/**
 * Ends a session by the first instance, with a stream and a WebSocket of it open on each and another by nginx; returns how long the
 * last of these went on, in ms.
 *
 * @throws Error when an instance lets it in afterwards
 */
export async function measureRevocation(cluster: ThreeInstances): Promise<number> {
  const headers = await cluster.credentials();
  const urls = [...cluster.instances.map(({ server }) => server.url), cluster.nginx.url];
  const open = await Promise.all([
    ...cluster.instances.map((instance) => openStream(instance, headers)),
    ...urls.map((url) => openSocket(url, headers)),
  ]);
  const { ok } = await cluster.first.fetch("/auth/logout", { method: "POST", headers });
  const endedAt = performance.now();
  if (!ok) throw new Error("The session wasn't ended");
  const answers = await cluster.askAll(headers);
  if (answers.some((status) => status !== 401))
    throw new Error(`A session that has ended got ${answers.join(", ")}`);
  await Promise.all(open.map((closed) => closed()));
  return performance.now() - endedAt;
}
