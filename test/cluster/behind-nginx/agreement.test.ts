import { expect } from "bun:test";
import { Load } from "./load.ts";
import { measureRevocation } from "./revocation.ts";
import { type Instance, testBehindNginx } from "./three-instances.ts";

const ROUNDS = 7;
const EVENTS = 20;
const TICKS = 3;

const ticks = (heard: Map<string, number[]>) => [...heard].filter(([what]) => what.startsWith("tick"));

testBehindNginx(
  "a session that is ended by one instance is refused by all, and what it has open ends within 200 ms",
  async (cluster) => {
    const load = await Load.start(cluster, 2);
    const took: number[] = [];
    // oxlint-disable-next-line no-await-in-loop -- one after another
    while (took.length < ROUNDS) took.push(await measureRevocation(cluster));
    await load.stop();
    expect(load.failures).toEqual([]);
    // A busy machine holds most of them up; without a word of the others, hardly one of the rounds would be as quick.
    expect(took.toSorted((a, b) => a - b)[1]).toBeLessThan(200);
  },
);

testBehindNginx(
  "instances tell each other of events and writes, and run each moment of a task once",
  async (cluster) => {
    const names = Array.from({ length: EVENTS }, (_, index) => String(index));
    await Promise.all(names.map((name) => cluster.tell(name)));
    const pids = cluster.instances.map(({ server }) => server.pid).toSorted((a, b) => a - b);

    const headers = await cluster.credentials();
    const count = async (instance: Instance): Promise<number> => {
      const response = await instance.fetch("/shop/count", { headers });
      return ((await response.json()) as { count: number }).count;
    };
    for (const [made, instance] of cluster.instances.entries()) {
      /* oxlint-disable no-await-in-loop -- each sees what those before have written */
      expect(await count(instance)).toBe(made); // cached from now on
      const order = { method: "POST", headers: { ...headers, "content-type": "application/json" } };
      await instance.fetch("/shop/orders", { ...order, body: JSON.stringify({ note: "one" }) });
      for (const other of cluster.instances)
        await cluster.until(async () => (await count(other)) === made + 1);
      /* oxlint-enable no-await-in-loop */
    }

    await cluster.until(async () => ticks(await cluster.readHeard()).length >= TICKS);
    await cluster.until(async () => {
      const heard = await cluster.readHeard();
      return names.every((name) => (heard.get(`told ${name}`)?.length ?? 0) >= pids.length);
    });
    const heard = await cluster.readHeard();
    for (const name of names) {
      expect(heard.get(`told ${name}`)?.toSorted((a, b) => a - b)).toEqual(pids);
    }
    expect(ticks(heard).filter(([, by]) => by.length !== 1)).toEqual([]);
  },
);
