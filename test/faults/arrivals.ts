/** Code of a plugin's entry that counts requests: `arrive()` is called by each. */
export const COUNT_ARRIVALS = `let arrived = 0;
let waiting: { count: number; resolve: () => void }[] = [];
function arrive() {
  arrived += 1;
  for (const { count, resolve } of waiting) if (arrived >= count) resolve();
}`;

/** Its route that answers once as many have come. */
export const ARRIVED_ROUTE = `.get("/arrived/:count", async ({ params }) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    waiting.push({ count: Number(params.count), resolve });
    if (arrived >= Number(params.count)) resolve();
    await promise;
    return "arrived";
  })`;
