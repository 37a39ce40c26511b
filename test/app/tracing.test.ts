import { afterAll, expect, test } from "bun:test";
import { readTraceparent, toJobPlace } from "../../src/metrics/tracing.ts";
import { TestApp } from "../setup.ts";

/** A span as OTLP's JSON has it. */
interface Span {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly kind: number;
  readonly attributes: readonly { readonly key: string; readonly value: Record<string, unknown> }[];
  readonly links?: readonly { readonly traceId: string; readonly spanId: string }[];
  readonly status: { readonly code?: number };
}

const bodies: string[] = [];
const spans: Span[] = [];
const collector = Bun.serve({
  port: 0,
  async fetch(request) {
    if (new URL(request.url).pathname !== "/v1/traces" || request.method !== "POST")
      return new Response(null, { status: 404 });
    const body = await request.text();
    bodies.push(body);
    const { resourceSpans } = JSON.parse(body) as {
      resourceSpans: { scopeSpans: { spans: Span[] }[] }[];
    };
    spans.push(...resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap((scope) => scope.spans)));
    return Response.json({});
  },
});
const seen: (string | null)[] = [];
const other = Bun.serve({
  port: 0,
  fetch(request) {
    seen.push(request.headers.get("traceparent"));
    return new Response("ok");
  },
});
afterAll(async () => {
  await Promise.all([collector.stop(true), other.stop(true)]);
});

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const PARENT = "b7ad6b7169203331";
const SECRET = "hunter2-secret";
const RUN = `import { createRouter, db, hooks, jobs } from "xcore";
import { sql } from "drizzle-orm";
hooks.on("shop.sold", async () => { await db.execute(sql\`select 1 as one\`); });
jobs.define("ship", async () => { await db.execute(sql\`select 2 as two\`); });
export default createRouter()
  .get("/items/:id", async ({ params }) => {
    await hooks.emit("shop.sold", params.id);
    await db.execute(sql.raw("select '${SECRET}' as told from jobs where name = 'x' or payload = '${SECRET}'"));
    await (await fetch("${other.url.href}")).text();
    await (await fetch("${other.url.href}", { headers: { traceparent: "own" } })).text();
    return { job: await jobs.enqueue("ship", { card: "${SECRET}" }) };
  })
  .get("/broken", () => { throw new Error("${SECRET}"); });
`;

function start(endpoint: string): Promise<TestApp> {
  return TestApp.start({
    plugins: { "shop/plugin.json": { name: "shop", version: "1.0.0" }, "shop/run.ts": RUN },
    config: { monitoring: { otlp_endpoint: endpoint } },
  });
}

function attributesOf(span: Span | undefined): Record<string, unknown> {
  return Object.fromEntries((span?.attributes ?? []).map(({ key, value }) => [key, Object.values(value)[0]]));
}

test("a collector is told of requests, hooks, statements and jobs, as parts of the client's trace", async () => {
  let job = "";
  {
    await using app = await start(collector.url.origin);
    const headers = { traceparent: `00-${TRACE}-${PARENT}-01`, authorization: `Bearer ${SECRET}` };
    await app.after("job.completed", async () => {
      const response = await app.fetch(`/shop/items/7?token=${SECRET}`, { headers });
      expect(response.status).toBe(200);
      ({ job } = (await response.json()) as { job: string });
    });
    await app.fetch("/shop/broken", { headers: { traceparent: `00-${TRACE}-0000000000000000-01` } });
  } // what is left is sent as it closes
  const own = spans.filter(({ traceId }) => traceId === TRACE);
  const find = (name: string, among = own): Span | undefined => among.find((span) => span.name === name);
  const request = find("GET /shop/items/:id");
  expect(request).toMatchObject({ parentSpanId: PARENT, kind: 2 });
  expect(attributesOf(request)).toEqual({
    "xcore.plugin": expect.stringMatching(/^shop@[0-9a-f]{12}$/),
    "http.request.method": "GET",
    "http.route": "/shop/items/:id",
    "http.response.status_code": expect.anything(),
  });
  const ofPlugin = (span: Span): boolean => String(attributesOf(span)["xcore.plugin"]).startsWith("shop@");
  const hook = find("hook shop.sold", own.filter(ofPlugin)); // the test listens too
  expect(hook?.parentSpanId).toBe(request?.spanId as string);
  expect(find("SELECT")?.parentSpanId).toBe(hook?.spanId as string);
  const query = find("SELECT jobs");
  expect(query?.parentSpanId).toBe(request?.spanId as string);
  expect(attributesOf(query)).toMatchObject({ "db.collection.name": "jobs" });
  // Its own header stays as it is.
  expect(seen).toEqual([`00-${TRACE}-${request?.spanId}-01`, "own"]);

  const place = toJobPlace(job);
  const enqueued = find("enqueue shop:ship");
  expect(enqueued).toMatchObject({ parentSpanId: request?.spanId, links: [place] });
  const ofJob = spans.filter(({ traceId }) => traceId === place?.traceId);
  const run = find("job shop:ship", ofJob);
  expect(run).toMatchObject({ kind: 5, parentSpanId: place?.spanId });
  expect(find("SELECT", ofJob)?.parentSpanId).toBe(run?.spanId as string);

  // A header that is none begins a trace of its own.
  const broken = find("GET /shop/broken", spans);
  expect(broken?.traceId).not.toBe(TRACE);
  expect(broken?.parentSpanId ?? "").toBe("");
  expect(broken?.status.code).toBe(2);
  expect(bodies.join("")).not.toContain(SECRET);
});

test("a collector that hangs, or is away, keeps nobody waiting", async () => {
  const hanging = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  for (const endpoint of [`http://127.0.0.1:${hanging.port}/v1/traces`, "http://127.0.0.1:1"]) {
    // oxlint-disable-next-line no-await-in-loop -- one after another
    const app = await start(endpoint);
    for (let asked = 0; asked < 20; asked += 1) {
      // oxlint-disable-next-line no-await-in-loop
      expect((await app.fetch("/shop/broken")).status).toBe(500);
    }
    const begunAt = performance.now();
    // oxlint-disable-next-line no-await-in-loop
    await app[Symbol.asyncDispose]();
    expect(performance.now() - begunAt).toBeLessThan(4000);
  }
  hanging.stop(true);
});

test.each([
  ["", null],
  ["00", null],
  [`00-${TRACE}-${PARENT}-01`, TRACE],
  [`00-${TRACE}-${PARENT}-00`, TRACE],
  [`00-${TRACE}-${PARENT}-01-more`, null],
  [`cc-${TRACE}-${PARENT}-01-what-comes`, TRACE],
  [`ff-${TRACE}-${PARENT}-01`, null],
  [`00-${"0".repeat(32)}-${PARENT}-01`, null],
  [`00-${TRACE}-${"0".repeat(16)}-01`, null],
  [`00-${TRACE.toUpperCase()}-${PARENT}-01`, null],
  [`00-${TRACE}-${PARENT}`, null],
  [`00-${TRACE}\n-${PARENT}-01`, null],
  ["'; drop table users", null],
])("readTraceparent(%j) is of the trace %p", (header, traceId) => {
  expect(readTraceparent(header)?.traceId ?? null).toBe(traceId);
  expect(readTraceparent(`${header}-${"x".repeat(10_000)}`)).toBe(null);
});
