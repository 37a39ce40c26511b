/**
 * The cache as plugins use it: what a hit costs on each backend, beside a bare `lru-cache` and a bare Redis client, and how often
 * a function is run that a thousand ask for at once.
 *
 *   bun bench/cache.ts [--rounds 7]
 *
 * Redis is started when `redis-server` is there.
 */
import { parseArgs } from "node:util";
import { LRUCache } from "lru-cache";
import { pino } from "pino";
import { AppCache } from "../src/cache/cache.ts";
import { RedisConnection } from "../src/cache/redis/connection.ts";
import { PrivateServer } from "../test/faults/private-server.ts";
import { median, printTable } from "./report.ts";

const { values } = parseArgs({ options: { rounds: { type: "string", default: "7" } } });
const ROUNDS = Number(values.rounds);
const KEYS = 1000;
const WAITERS = 1000;
const HITS = 500_000;
const BACKENDS = ["memory", "redis"] as const;
type Backend = (typeof BACKENDS)[number];

const log = pino({ level: "silent" });
const rows: string[][] = [];

for (const backend of BACKENDS) {
  if (backend === "redis" && Bun.which("redis-server") === null) {
    console.log("redis-server is missing: Redis is left out");
    continue;
  }
  const server = backend === "memory" ? null : await PrivateServer.start(backend);
  await measure(backend, server?.url ?? null);
  if (backend === "redis" && server !== null) await measureBareRedis(server.url);
  if (backend === "memory") await measureBareLru();
  await server?.[Symbol.asyncDispose]();
}
printTable(["what", "a call", "processor time", "goal"], rows);

async function measure(backend: Backend, url: string | null): Promise<void> {
  const settings = { backend, url, default_ttl: 300, max_entries: 10_000, maxSize: 64_000_000 };
  const open = (): AppCache =>
    new AppCache({ settings, appName: "bench", redisUrl: null, log, timeoutMs: 10_000, database: null });
  const [app, other] = [open(), open()];
  const cache = app.namespace("shop", "1");
  const value = { id: 1, name: "Ada", tags: ["a", "b"], total: "12.50" };
  for (let index = 0; index < KEYS; index++) {
    await cache.set(`key:${index}`, value);
    await cache.get(`key:${index}`); // from now on it is near
  }
  const find = cache.cached((id: number) => ({ ...value, id }), { tags: ["rows"] });
  for (let index = 0; index < KEYS; index++) await find(index);
  const goal = { memory: "≤ 0.5 µs", redis: "≤ 5 µs" }[backend];
  const keys = Array.from({ length: KEYS }, (_, index) => `key:${index}`);
  await add(`${backend}: cache.get(key), a hit`, HITS, goal, (index) => cache.get(keys[index % KEYS] ?? ""));
  await add(`${backend}: cached(id) with a tag, a hit`, HITS, goal, (index) => find(index % KEYS));
  await add(`${backend}: cache.set(key, value)`, backend === "memory" ? 100_000 : 5000, "", (index) =>
    cache.set(keys[index % KEYS] ?? "", value),
  );
  let runs = 0;
  const slow = async (): Promise<number> => {
    runs += 1;
    await Bun.sleep(50);
    return runs;
  };
  const instances = backend === "redis" ? [cache, other.namespace("shop", "1")] : [cache];
  const functions = instances.map((one) => one.cached(slow, { key: "slow" }));
  await Promise.all(
    Array.from({ length: WAITERS }, (_, index) =>
      (functions[index % functions.length] as () => Promise<number>)(),
    ),
  );
  const where = functions.length > 1 ? ` on ${functions.length} instances` : "";
  rows.push([`${backend}: ${WAITERS} misses at once${where}`, `${runs} run`, "", "1 run"]);
  app.close();
  other.close();
}

async function measureBareLru(): Promise<void> {
  const lru = new LRUCache<string, object>({ max: 10_000 });
  const keys = Array.from({ length: KEYS }, (_, index) => `key:${index}`);
  for (const key of keys) lru.set(key, {});
  await add("bare lru-cache: get, awaited", HITS, "", (index) =>
    Promise.resolve(lru.get(keys[index % KEYS] ?? "")),
  );
}

async function measureBareRedis(url: string): Promise<void> {
  const redis = new RedisConnection({ url, name: "bench", log, timeoutMs: 10_000 });
  await redis.whenConnected();
  await redis.run((client) => client.set("key", "value"));
  await redis.run(async (client) => {
    await add("bare Redis client: get", 5000, "", () => client.get("key"));
  });
  await add("RedisConnection: get", 5000, "", () => redis.run((client) => client.get("key")));
  redis.close();
}

/** One call after another; medians of the rounds. */
async function add(
  what: string,
  calls: number,
  goal: string,
  call: (index: number) => Promise<unknown>,
): Promise<void> {
  const [clocks, processors]: [number[], number[]] = [[], []];
  for (let round = 0; round <= ROUNDS; round++) {
    const [startedAt, used] = [performance.now(), process.cpuUsage()];
    for (let index = 0; index < calls; index++) await call(index);
    const us = ((performance.now() - startedAt) * 1000) / calls;
    const { user, system } = process.cpuUsage(used);
    if (round === 0) continue; // warms up
    clocks.push(us);
    processors.push((user + system) / calls);
  }
  rows.push([what, `${median(clocks).toFixed(2)} µs`, `${median(processors).toFixed(2)} µs`, goal]);
}
