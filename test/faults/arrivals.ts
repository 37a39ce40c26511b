import type { TestApp } from "../setup.ts";

/** Code of a plugin's entry that counts requests: each calls `arrive()`. */
export const COUNT_ARRIVALS = `const counts = { arrived: 0, left: 0 };
let waiting: { what: string; count: number; resolve: () => void }[] = [];
function count(what: "arrived" | "left") {
  counts[what] += 1;
  for (const wait of waiting) if (wait.what === what && counts[what] >= wait.count) wait.resolve();
}
async function arrive(request: Request, work: () => Promise<unknown> = async () => {}) {
  count("arrived");
  let isLeft = false;
  const leave = () => {
    if (!isLeft) count("left");
    isLeft = true;
  };
  request.signal.addEventListener("abort", leave);
  try {
    await work();
  } catch (error) {
    leave(); // given up before the signal tells of it, which it doesn't any more then
    throw error;
  }
}`;

/** Its route that answers once as many have come, or have been left by their clients. */
export const COUNTS_ROUTE = `.get("/counts/:what/:count", async ({ params: { what, count } }) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    waiting.push({ what, count: Number(count), resolve });
    if (counts[what] >= Number(count)) resolve();
    await promise;
    return what;
  })`;

/** Waits until as many requests have come to the plugin "notes", or have been left by their clients. */
export async function reach(app: TestApp, what: "arrived" | "left", count: number): Promise<void> {
  await app.fetch(`/notes/counts/${what}/${count}`);
}

/**
 * Sends requests to the plugin "notes" and gives up once all of them have come, several times.
 *
 * @param arrived how many had come before
 */
export async function giveUp(
  app: TestApp,
  send: (signal: AbortSignal) => readonly Promise<unknown>[],
  { times, arrived }: { readonly times: number; readonly arrived: number },
): Promise<void> {
  let expected = arrived;
  for (let tries = 0; tries < times; tries += 1) {
    const clients = new AbortController();
    const requests = send(clients.signal);
    expected += requests.length;
    // oxlint-disable-next-line no-await-in-loop -- one try after another
    await reach(app, "arrived", expected);
    clients.abort();
    // oxlint-disable-next-line no-await-in-loop
    await Promise.allSettled(requests);
  }
}
