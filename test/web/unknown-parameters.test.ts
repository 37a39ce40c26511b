import { expect, test } from "bun:test";
import type { Problem } from "../../src/errors/problem.ts";
import { TestApp } from "../setup.ts";

/** Lists of the core, which answer 200 without a parameter. */
const LISTS = [
  "/admin/users",
  "/admin/roles",
  "/admin/permissions",
  "/admin/audit",
  "/auth/sessions",
  "/auth/api_keys",
  "/auth/otp/devices",
  "/system/plugins",
];

test("no documented route of the core takes a parameter that it doesn't know", async () => {
  await using app = await TestApp.start();
  const { headers } = await app.admin();
  const { body } = await app.get("/openapi.json");
  const paths = Object.entries(body.paths as Record<string, Record<string, object>>);
  let tried = 0;
  for (const [path, operations] of paths.filter(([known]) => known !== "/health")) {
    if (operations["get"] === undefined) continue;
    const asked = `${path.replaceAll(/\{\w+\}/g, "1")}?zzz=1`;
    const response = await app.fetch(asked, { headers });
    const { code, errors } = (await response.json()) as Problem;
    // What isn't there may be said first.
    const isThere = !path.includes("{");
    if (isThere)
      expect({ asked, code, path: errors?.[0]?.path }).toEqual({
        asked,
        code: "validation_error",
        path: "/query/zzz",
      });
    else expect([404, 422]).toContain(response.status);
    tried += 1;
  }
  expect(tried).toBeGreaterThanOrEqual(LISTS.length);
  for (const path of LISTS) {
    expect({ path, status: (await app.fetch(path, { headers })).status }).toEqual({ path, status: 200 });
    expect({ path, status: (await app.fetch(`${path}?zzz=1`, { headers })).status }).toEqual({
      path,
      status: 422,
    });
    expect({ path, status: (await app.fetch(`${path}?zzz=1`)).status }).toEqual({ path, status: 401 });
  }
});

test("a misspelt parameter of what changes something is refused, and nothing is changed", async () => {
  await using app = await TestApp.start({
    plugins: { "x/plugin.json": { name: "x", version: "1.0.0" }, "x/run.ts": "" },
  });
  const { headers } = await app.admin();
  const init = { method: "PUT", headers };
  const problem = await app.problem("/system/plugins/x/disable?with_dependants=true", init);
  expect(problem.errors).toEqual([
    { path: "/query/with_dependants", code: "unknown", message: 'Unknown, did you mean "with_dependents"?' },
  ]);
  expect((await app.getAsAdmin("/system/plugins/x")).body).not.toMatchObject({ state: "disabled" });
});

test("/health and pages take what they are given", async () => {
  await using app = await TestApp.start();
  for (const path of ["/health?from=balancer", "/?utm_source=mail", "/openapi.json?v=2"])
    expect({ path, status: (await app.fetch(path)).status }).toEqual({ path, status: 200 });
});
