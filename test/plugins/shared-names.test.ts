import { expect, test } from "bun:test";
import { type Files, TestApp } from "../setup.ts";
import { testOnEachDialect } from "../database-servers.ts";

/** A plugin that uses the same names as any other of these, for values of its own. */
function toNamed(name: string): Files {
  return {
    [`${name}/plugin.json`]: { name, version: "1.0.0" },
    [`${name}/lib.ts`]: `import { Elysia } from "elysia";
export const state = { count: 0 };
export const named = new Elysia({ name: "shared" })
  .state("who", "${name}")
  .decorate("tag", "${name}")
  .derive({ as: "global" }, () => ({ derived: "${name}" }))
  .onAfterHandle({ as: "global" }, ({ set }) => { set.headers["x-by"] = "${name}"; });`,
    [`${name}/run.ts`]: `import { createRouter, db } from "xcore";
import { eq, sql } from "drizzle-orm";
import { users } from "xcore/schema";
import { t } from "elysia";
import { named, state } from "./lib.ts";
const query = db.select({ value: sql\`'${name}'\` }).from(users).where(eq(users.email, sql.placeholder("email"))).prepare("shared");
process.env.SHARED = "${name}";
const cookie = t.Cookie({ session: t.Optional(t.String()) }, { secrets: "secret of ${name}", sign: ["session"] });
export default createRouter().use(named)
  .model("Shared", t.Object({ ${name}: t.String() }))
  .get("/", ({ store, tag, derived }) => ({ who: store.who, tag, derived, env: process.env.SHARED, count: ++state.count }))
  .get("/rows", () => query.execute({ email: "admin@example.com" }))
  .get("/login", ({ cookie: { session } }) => { session.value = "${name}"; return "ok"; }, { cookie })
  .get("/session", ({ cookie: { session } }) => session.value ?? "none", { cookie })
  .post("/", ({ body }) => body, { body: "Shared" });`,
  };
}

test("plugins that use the same names don't meet", async () => {
  await using app = await TestApp.start({ plugins: { ...toNamed("one"), ...toNamed("two") } });
  expect(app.app.plugins.list().map(({ failure }) => failure)).toEqual([null, null]);
  for (const name of ["one", "two"]) {
    const response = await app.fetch(`/${name}`);
    expect(await response.json()).toEqual({ who: name, tag: name, derived: name, env: name, count: 1 });
    expect(response.headers.get("x-by")).toBe(name);
    const init = { method: "POST", headers: { "content-type": "application/json" } };
    const posted = await app.fetch(`/${name}`, { ...init, body: JSON.stringify({ [name]: "x" }) });
    expect(await posted.json()).toEqual({ [name]: "x" });
  }
});

test("a cookie that one plugin has signed is refused by another", async () => {
  await using app = await TestApp.start({ plugins: { ...toNamed("one"), ...toNamed("two") } });
  const [cookie = ""] = (await app.fetch("/one/login")).headers.getSetCookie();
  const headers = { cookie: cookie.split(";")[0] ?? "" };
  expect(await (await app.fetch("/one/session", { headers })).text()).toBe("one");
  expect(await app.problem("/two/session", { headers })).toMatchObject({ code: "invalid_cookie" });
});

testOnEachDialect("prepared queries of two plugins may have the same name", async ({ url }) => {
  await using app = await TestApp.start({
    plugins: { ...toNamed("one"), ...toNamed("two") },
    config: { database: { url } },
  });
  await app.admin();
  for (const name of ["one", "two", "one"]) {
    expect((await app.get(`/${name}/rows`)).body).toEqual([{ value: name }]);
  }
});

const GUARD = (answer: number, scope = "global") =>
  `new Elysia({ name: "auth" }).onBeforeHandle({ as: "${scope}" }, ({ status }) => status(${answer}))`;
const SUB = (guard: string) => `new Elysia().use(${guard}).get("/${Bun.hash(guard)}", () => 1)`;
const REFUSED = 'Cannot use two Elysias named "auth"';

test.each([
  ["beside each other", `.use(${GUARD(401)}).use(${GUARD(403)})`, REFUSED],
  ["scoped, beside each other", `.use(${GUARD(401, "scoped")}).use(${GUARD(403, "scoped")})`, REFUSED],
  ["in a group", `.group("/g", (app) => app.use(${GUARD(401)}).use(${GUARD(403)}))`, REFUSED],
  ["in two parts", `.use(${SUB(GUARD(401))}).use(${SUB(GUARD(403))})`, REFUSED],
  ["in a part of a part", `.use(${GUARD(401)}).use(new Elysia().use(${SUB(GUARD(403))}))`, REFUSED],
  ["scoped, in two parts", `.use(${SUB(GUARD(401, "scoped"))}).use(${SUB(GUARD(403, "scoped"))})`, null],
  ["as one and the same in two parts", `.use(${SUB("guard")}).use(new Elysia().use(guard))`, null],
  ["as one and the same", ".use(guard).use(guard)", null],
  [
    "with seeds",
    '.use(new Elysia({ name: "auth", seed: 1 })).use(new Elysia({ name: "auth", seed: 2 }))',
    null,
  ],
  ["without hooks", '.use(new Elysia({ name: "auth" })).use(new Elysia({ name: "auth" }))', null],
])("two Elysias with one name, %s", async (_, router, message) => {
  await using app = await TestApp.start({
    plugins: {
      "x/plugin.json": { name: "x", version: "1.0.0" },
      "x/run.ts": `import { Elysia } from "elysia";
import { createRouter } from "xcore";
const guard = ${GUARD(401)};
export default createRouter()${router}.get("/", () => guard.config.name);`,
    },
  });
  const [record] = app.app.plugins.list();
  if (message === null) expect(record?.failure ?? null).toBeNull();
  else expect(String(record?.failure?.message)).toContain(message);
});

test.each(["createRouter()", "new Elysia()"])(
  "a plugin whose %s opens a port fails to load",
  async (router) => {
    const code = `import { createRouter } from "xcore";
import { Elysia } from "elysia";
export default ${router}.get("/", () => "served").listen(0);`;
    await using app = await TestApp.start({
      plugins: {
        ...toNamed("one"),
        "own/plugin.json": { name: "own", version: "1.0.0" },
        "own/run.ts": code,
      },
    });
    const failed = app.app.plugins.list().find(({ name }) => name === "own");
    expect(failed?.failure).toMatchObject({ stage: "import", line: 3 });
    expect(failed?.failure?.message).toContain("take listen() out");
  },
);
