import { expect, test } from "bun:test";
import { HOOK_SECONDS, LOADS, REQUESTS } from "../../src/metrics/definitions.ts";
import { toFamilies, writeExposition } from "../../src/metrics/exposition.ts";
import { Meter } from "../../src/metrics/meter.ts";
import { Metrics } from "../../src/metrics/metrics.ts";
import { RequestMeter } from "../../src/metrics/requests.ts";
import { parseExposition } from "./parse-exposition.ts";

const OF_REQUESTS = REQUESTS.name;

function write(metrics: Metrics, worker: number | null = null): string {
  return writeExposition([{ worker, families: toFamilies(metrics, []) }]);
}

test("replaced versions of a plugin are shown for ten minutes, two of each, and never more than a hundred", () => {
  let now = 0;
  const metrics = new Metrics("core", () => now);
  const names = (): string[] =>
    metrics.all().flatMap(({ plugin, hash }) => (plugin === "core" ? [] : `${plugin}@${hash}`));
  let end = metrics.serve(metrics.meterOf("blog", "hash-0"));
  for (let version = 1; version <= 50; version += 1) {
    end();
    end = metrics.serve(metrics.meterOf("blog", `hash-${version}`));
  }
  expect(names()).toEqual(["blog@hash-48", "blog@hash-49", "blog@hash-50"]);
  now = 10 * 60_000;
  expect(names()).toEqual(["blog@hash-50"]);
  for (let plugin = 0; plugin < 300; plugin += 1) metrics.serve(metrics.meterOf(`p${plugin}`, "a"))();
  expect(names()).toHaveLength(101);
  // Who never served, such as a plugin that can't be loaded, is one that ended.
  for (let plugin = 0; plugin < 300; plugin += 1) metrics.of(`broken${plugin}`);
  expect(names()).toHaveLength(101);
});

test("a version that comes back, or is loaded anew, goes on counting", () => {
  const metrics = new Metrics("core");
  const first = metrics.meterOf("blog", "a".repeat(64));
  const end = metrics.serve(first);
  first.counter(LOADS, "loaded").value += 1;
  const again = metrics.meterOf("blog", "a".repeat(64));
  expect(again).toBe(first);
  expect(first.hash).toBe("a".repeat(12));
  const endAgain = metrics.serve(again);
  end();
  expect(metrics.of("blog")).toBe(first);
  endAgain();
  metrics.serve(metrics.meterOf("blog", "b"));
  expect(metrics.of("blog").hash).toBe("b");
  expect(metrics.meterOf("blog", "a".repeat(64))).toBe(first);
  expect(metrics.of(null)).toBe(metrics.core);
});

test("names that a plugin makes up without end are counted together from the thousandth on", () => {
  const meter = new Meter("blog", "a");
  for (let index = 0; index < 1500; index += 1) meter.histogram(HOOK_SECONDS, `event.${index}`).observe(1);
  const [all = []] = meter.series().values();
  const series = [...all];
  expect(series).toHaveLength(1001);
  expect(series.at(-1)).toMatchObject({ values: ["(others)"], figure: { sum: 500 } });
});

test("record() counts by template, method and status, and makes no line of what a client made up", () => {
  const metrics = new Metrics("core");
  const requests = new RequestMeter(metrics.core, () => [{ method: "GET", path: "/blog/:id" }]);
  const record = (method: string, path: string, status: number): void =>
    requests.record({ at: 0, method, path, status, duration_ms: 3 });
  for (let id = 0; id < 100; id += 1) {
    record("GET", `/blog/${id}`, 200);
    record(`X${id}`, `/${id}`, 404);
  }
  record("GET", "/blog/1", 500);
  const families = parseExposition(write(metrics));
  const lines = families.get(OF_REQUESTS)?.samples.map(({ labels, value }) => {
    const { route, method, status } = labels;
    return [route, method, status, value];
  });
  expect(lines).toEqual([
    ["/blog/:id", "GET", "200", 100],
    ["(none)", "OTHER", "404", 100],
    ["/blog/:id", "GET", "500", 1],
  ]);
  const durations = families.get("xcore_http_request_duration_seconds")?.samples ?? [];
  const below = durations.find(({ labels }) => labels["route"] === "/blog/:id" && labels["le"] === "0.005");
  expect(below?.value).toBe(101);
});

test("writeExposition() escapes what plugins call their things, and labels the workers", () => {
  const metrics = new Metrics("core");
  const name = 'a"b\\c\nd';
  metrics.core.histogram(HOOK_SECONDS, name).observe(0.0003);
  metrics.core.histogram(HOOK_SECONDS, name).observe(60);
  const told = { families: toFamilies(metrics, []) };
  const text = writeExposition([1, 2].map((worker) => ({ worker, ...told })));
  const samples = parseExposition(text).get(HOOK_SECONDS.name)?.samples ?? [];
  expect(new Set(samples.map(({ labels }) => labels["event"]))).toEqual(new Set([name]));
  expect(new Set(samples.map(({ labels }) => labels["worker"]))).toEqual(new Set(["1", "2"]));
  const sum = samples.find((sample) => sample.name.endsWith("_sum"));
  expect(sum?.value).toBeCloseTo(60.0003);
});
