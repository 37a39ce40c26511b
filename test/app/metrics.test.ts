import { expect, test } from "bun:test";
import { parseExposition, type ParsedFamily } from "../metrics/parse-exposition.ts";
import { testWithCoreTables } from "../database-servers.ts";
import { TestApp } from "../setup.ts";

const TOKEN = "scrape-0123456789abcdef";
const RUN = `import { cached, createRouter, db, hooks, jobs, AppError } from "xcore";
import { sql } from "drizzle-orm";
hooks.on("shop.sold", ({ data }) => { if (data === "bad") throw new Error("no"); });
jobs.define("ship", async ({ payload }) => { if (payload.fails) throw new Error("no"); }, { attempts: 1 });
const total = cached(() => 1, { ttl: 60 });
export default createRouter()
  .get("/", () => "v1")
  .get("/items/:id", async ({ params }) => {
    if (params.id === "0") throw new AppError("not_found", 404, "Cannot read item 0: not found");
    await hooks.emit("shop.sold", params.id);
    await total();
    await db.transaction((tx) => tx.execute(sql\`select 1 as one\`));
    await db.execute(sql\`select nothing from nowhere\`).catch(() => {});
    return { id: params.id };
  })
  .post("/jobs", async () => jobs.enqueueMany([{ name: "ship", payload: {} }, { name: "ship", payload: { fails: true } }]));
`;

async function scrape(app: TestApp): Promise<Map<string, ParsedFamily>> {
  const response = await app.fetch("/metrics", { headers: { authorization: `Bearer ${TOKEN}` } });
  expect(response.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
  return parseExposition(await response.text());
}

/** The values of a family whose labels are these. */
function values(
  families: Map<string, ParsedFamily>,
  name: string,
  wanted: Readonly<Record<string, string>>,
): number[] {
  const family = families.get(name.replace(/_(?:count|sum|bucket)$/, "")) ?? families.get(name);
  return (family?.samples ?? [])
    .filter((sample) => sample.name === name)
    .filter(({ labels }) => Object.entries(wanted).every(([label, value]) => labels[label] === value))
    .map(({ value }) => value);
}

testWithCoreTables("GET /metrics tells what was done, each line by plugin@hash", async ({ url, dialect }) => {
  await using app = await TestApp.start({
    plugins: { "shop/plugin.json": { name: "shop", version: "1.0.0" }, "shop/run.ts": RUN },
    config: { monitoring: { token: TOKEN }, database: { url, pool_size: 3 } },
  });
  for (const id of ["1", "2", "bad", "0"]) await app.fetch(`/shop/items/${id}`);
  await Promise.all([
    app.after("job.failed", () => {}),
    app.after("job.completed", () => app.fetch("/shop/jobs", { method: "POST" })),
  ]);
  const families = await scrape(app);
  const { samples: loaded = [] } = families.get("xcore_plugin_info") ?? {};
  const own = loaded.find(({ labels }) => labels["plugin"] === "shop")?.labels ?? {};
  const { plugin = "", hash = "" } = own;
  expect(own).toEqual({ plugin: "shop", hash, version: "1.0.0", state: "serving" });
  expect(hash).toMatch(/^[0-9a-f]{12}$/);
  const of = (name: string, labels: Readonly<Record<string, string>>) =>
    values(families, name, { plugin, hash, ...labels });
  const item = { route: "/shop/items/:id", method: "GET" };
  expect(of("xcore_http_requests_total", { ...item, status: "200" })).toEqual([3]);
  expect(of("xcore_http_requests_total", { ...item, status: "404" })).toEqual([1]);
  expect(of("xcore_http_request_duration_seconds_count", item)).toEqual([4]);
  expect(of("xcore_hook_handler_duration_seconds_count", { event: "shop.sold" })).toEqual([3]);
  expect(of("xcore_hook_failures_total", { event: "shop.sold", reason: "threw" })).toEqual([1]);
  expect(of("xcore_database_query_duration_seconds_count", { kind: "read" })).toEqual([6]);
  expect(of("xcore_database_query_failures_total", { kind: "read" })).toEqual([3]);
  expect(of("xcore_cache_requests_total", { result: "miss" })).toEqual([1]);
  expect(of("xcore_cache_requests_total", { result: "hit" })).toEqual([2]);
  expect(of("xcore_job_runs_total", { job_name: "ship", outcome: "completed" })).toEqual([1]);
  expect(of("xcore_job_runs_total", { job_name: "ship", outcome: "dead" })).toEqual([1]);
  expect(of("xcore_job_duration_seconds_count", { job_name: "ship" })).toEqual([2]);
  expect(of("xcore_plugin_loads_total", { result: "loaded" })).toEqual([1]);
  expect(of("xcore_plugin_generation", {})).toEqual([1]);
  expect(values(families, "xcore_jobs", { state: "dead" })).toEqual([1]);
  expect(values(families, "process_resident_memory_bytes", {})[0]).toBeGreaterThan(10_000_000);
  const most = values(families, "xcore_database_connections_max", {});
  expect(most).toEqual(dialect === "sqlite" ? [] : [3]);
  const connections = values(families, "xcore_database_connections", {});
  expect(connections.reduce((sum, count) => sum + count, 0) > 0).toBe(dialect !== "sqlite");
  const attributed = [...families.values()].flatMap(({ samples }) => samples);
  expect(attributed.filter(({ labels }) => !labels["plugin"] || !labels["hash"])).toEqual([]);

  // Another version counts for itself, and the one before it isn't lost.
  await app.after("plugin.reloaded", () => app.writePlugins({ "shop/run.ts": RUN.replace('"v1"', '"v2"') }));
  await app.fetch("/shop/items/9");
  const after = await scrape(app);
  const lines = after.get("xcore_http_requests_total")?.samples ?? [];
  const reads = lines.filter(({ labels }) => labels["route"] === item.route && labels["status"] === "200");
  expect(reads.map(({ value }) => value)).toEqual([3, 1]);
  expect(new Set(reads.map(({ labels }) => labels["hash"])).size).toBe(2);
  expect(values(after, "xcore_plugin_loads_total", { result: "reloaded" })).toEqual([1]);
  expect(values(after, "xcore_http_requests_total", { route: "/metrics", status: "200" })).toEqual([1]);
});

test("GET /metrics is refused to all but the token, an address that is allowed, and who may see the system", async () => {
  const config = { monitoring: { token: TOKEN, prometheus_endpoint: "/metrics/xcore" } };
  await using app = await TestApp.start({ config, files: { "config.json": { server: {} } } });
  const status = async (headers: Record<string, string>, path = "/metrics/xcore"): Promise<number> => {
    const response = await app.fetch(path, { headers });
    await response.text();
    return response.status;
  };
  expect(await status({})).toBe(401);
  const refused = (await (await app.fetch("/metrics/xcore")).json()) as { detail: string };
  expect(refused.detail).toContain("monitoring.token");
  for (const wrong of [
    `Bearer ${TOKEN}x`,
    `Bearer ${TOKEN.slice(0, -1)}`,
    "Bearer ",
    "Basic Og==",
    "\u00e9",
  ]) {
    expect(await status({ authorization: wrong })).toBe(401);
  }
  expect(await status({ "x-forwarded-for": "127.0.0.1" })).toBe(401);
  expect(await status({ authorization: `bearer  ${TOKEN}` })).toBe(200);
  expect(await status({ authorization: `Bearer ${TOKEN}` }, "/metrics")).toBe(404);
  const somebody = await app.createUser("somebody@example.com");
  expect(await status(somebody.headers)).toBe(403);
  expect(await status((await app.admin()).headers)).toBe(200);
});

test("GET /metrics lets in the addresses of monitoring.allowed_addresses, as they are at the time", async () => {
  await using app = await TestApp.start();
  const status = async (): Promise<number> => (await app.fetch("/metrics")).status;
  expect(await status()).toBe(401);
  expect(await (await app.fetch("/metrics")).text()).toContain(
    "set monitoring.token or monitoring.allowed_addresses",
  );
  await app.folder.write({ "config.json": { monitoring: { allowed_addresses: ["127.0.0.0/8"] } } });
  await app.reloadConfig();
  expect(await status()).toBe(200);
  await app.folder.write({ "config.json": { monitoring: { prometheus_endpoint: null } } });
  await app.reloadConfig();
  expect(await status()).toBe(404);
});

test("nothing is measured, and nothing served, with monitoring.enabled false", async () => {
  await using app = await TestApp.start({
    plugins: { "shop/plugin.json": { name: "shop", version: "1.0.0" }, "shop/run.ts": RUN },
    config: { monitoring: { enabled: false, token: TOKEN } },
  });
  expect((await app.fetch("/shop/items/1")).status).toBe(200);
  const response = await app.fetch("/metrics", { headers: { authorization: `Bearer ${TOKEN}` } });
  expect(response.status).toBe(404);
  expect(app.app.figures).toBe(null);
  const mounts = app.app.plugins.list().flatMap(({ current }) => current?.mount ?? []);
  expect(mounts.map(({ meter = null }) => meter)).toEqual([null]);
});
