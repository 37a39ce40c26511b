import { type AnyElysia, Elysia, t } from "elysia";
import { expect, test } from "bun:test";
import { PluginElysia, useInPieces } from "../../src/sdk/router.ts";

const ROUTES = 250;

/** A router with all that one can pass on to the app that uses it. */
function createFullRouter(): AnyElysia {
  const router = new PluginElysia({ name: "full", detail: { tags: ["mine"] } })
    .state("count", 1)
    .decorate("answer", 42)
    .model("thing", t.Object({ id: t.Integer() }))
    .macro({ loud: (isLoud: boolean) => (isLoud ? { beforeHandle() {} } : {}) })
    .onTransform({ as: "global" }, () => {})
    .onBeforeHandle({ as: "scoped" }, () => {})
    .derive({ as: "global" }, () => ({ derived: true }))
    .onError(() => {})
    .headers({ "x-own": "1" })
    .guard({ as: "global", query: t.Object({ q: t.Optional(t.String()) }) })
    .guard({ as: "scoped", schema: "standalone", headers: t.Object({ "x-any": t.Optional(t.String()) }) })
    .onRequest(() => {})
    .wrap((fn) => fn);
  for (let index = 0; index < ROUTES; index += 1) router.get(`/r${index}/:id`, ({ params }) => params);
  return router
    .post("/things", ({ body }) => body, { body: "thing", loud: true })
    .ws("/socket", { message() {} })
    .group("/inner", (inner) => inner.get("/", ({ answer, store }) => ({ answer, count: store.count })));
}

function listRoutes({ router: { history } }: AnyElysia) {
  return history.map(({ method, path, handler, hooks }) => ({ method, path, handler, hooks }));
}

const STATES = [
  "event",
  "validator",
  "standaloneValidator",
  "definitions",
  "singleton",
  "inference",
] as const;
const MORE = ["dependencies", "extender", "setHeaders", "routeTree"] as const;

test("useInPieces() leaves an app as use() does, with a pause for each hundred of routes", async () => {
  const router = createFullRouter();
  const whole: AnyElysia = new Elysia({ name: "app", prefix: "/full" }).use(router);
  const pieces: AnyElysia = new Elysia({ name: "app", prefix: "/full" });
  let pauses = 0;
  await useInPieces(pieces, router, async () => void (pauses += 1));
  expect(pauses).toBe(2);
  expect(pieces.router.history).toHaveLength(ROUTES + 3);
  expect(listRoutes(pieces)).toEqual(listRoutes(whole));
  for (const state of [...STATES, ...MORE]) {
    const [expected, actual] = [whole, pieces].map((app) => Reflect.get(app, state) as unknown);
    expect(`${state}: ${Bun.inspect(actual)}`).toBe(`${state}: ${Bun.inspect(expected)}`);
  }
  for (const [path, init] of [
    ["/full/r7/12", {}],
    ["/full/r249/x?q=1&r=2", {}],
    ["/full/inner", {}],
    ["/full/things", { method: "POST", body: '{"id":1}', headers: { "content-type": "application/json" } }],
    ["/full/things", { method: "POST", body: '{"id":"x"}', headers: { "content-type": "application/json" } }],
    ["/full/nothing", {}],
  ] as const) {
    const answers = [whole, pieces].map(async (app) => {
      const response = await app.handle(new Request(`http://localhost${path}`, init));
      return [response.status, await response.text(), Object.fromEntries(response.headers)];
    });
    // oxlint-disable-next-line no-await-in-loop -- one request after the other
    const [expected, actual] = await Promise.all(answers);
    expect(actual).toEqual(expected as never);
  }
});

test("useInPieces() leaves the router with its routes, also when the app refuses it", async () => {
  const router = createFullRouter();
  const { length } = router.router.history;
  const refusing = new Elysia();
  refusing.use = () => {
    throw new Error("refused");
  };
  const used = useInPieces(refusing, router, async () => {});
  expect(used).rejects.toThrow("refused");
  await used.catch(() => {});
  expect(router.router.history).toHaveLength(length);
});
