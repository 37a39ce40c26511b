import { expect, spyOn, test } from "bun:test";
import { plugin, TestApp } from "../setup.ts";

test("healthRoutes() answers administrators with what is well, version and uptime", async () => {
  await using app = await TestApp.start({ plugins: plugin("x", '.get("/", () => 1)') });
  const { status, body } = await app.getAsAdmin("/health");
  expect([status, body]).toEqual([
    200,
    {
      status: "ok",
      checks: { database: "ok", database_writes: "ok", plugins: "ok" },
      version: "0.0.0-test",
      uptime: expect.any(Number),
    },
  ]);
  expect(Number.isInteger(body.uptime)).toBe(true);
});

test("healthRoutes() says degraded with 200 while a plugin fails, and ok once it is mended", async () => {
  await using app = await TestApp.start({
    plugins: { ...plugin("x", ""), "x/run.ts": 'throw new Error("secret");' },
  });
  const response = await app.fetch("/health", { headers: (await app.admin()).headers });
  const text = await response.text();
  expect(response.status).toBe(200);
  expect(JSON.parse(text)).toMatchObject({ status: "degraded", checks: { plugins: "failing" } });
  expect(text).not.toContain("secret");
  await app.after("plugin.loaded", () => app.writePlugins(plugin("x", '.get("/", () => 1)')));
  expect((await app.getAsAdmin("/health")).body.status).toBe("ok");
});

test("healthRoutes() tells the uptime of the process, which a change of the configuration doesn't reset", async () => {
  await using app = await TestApp.start();
  using uptime = spyOn(process, "uptime").mockReturnValue(125.9);
  expect((await app.getAsAdmin("/health")).body.uptime).toBe(125);
  expect(uptime).toHaveBeenCalled();
});

test("healthRoutes() tells anybody else nothing but the status", async () => {
  const failing = { ...plugin("x", ""), "x/run.ts": "throw 1;" };
  await using app = await TestApp.start({ plugins: failing });
  const { headers: known } = await app.createUser("known@example.com", ["user"]);
  const wrong = { authorization: "Bearer wrong" };
  for (const headers of [{}, known, wrong]) {
    const response = await app.fetch("/health", { headers });
    expect([response.status, await response.text()]).toEqual([200, '{"status":"degraded"}']);
  }
  await app.after("plugin.loaded", () => app.writePlugins(plugin("x", '.get("/", () => 1)')));
  expect(await (await app.fetch("/health")).text()).toBe('{"status":"ok"}');
});

test("healthRoutes() answers 503 while the database doesn't answer", async () => {
  await using app = await TestApp.start();
  await app.admin();
  using _ = spyOn(app.app.database, "ping").mockImplementation(() => Promise.reject(new Error("gone")));
  expect(await app.get("/health")).toEqual({ status: 503, body: { status: "degraded" } });
  expect(await app.getAsAdmin("/health")).toMatchObject({
    status: 503,
    body: { status: "degraded", checks: { database: "failing", database_writes: "ok", plugins: "ok" } },
  });
});

test("healthRoutes() describes what everybody is told, and what only administrators are", async () => {
  await using app = await TestApp.start();
  const { body } = await app.get("/openapi.json");
  const { security, responses } = body.paths["/health"].get;
  expect(security).toEqual([{}, { password: [] }, { bearer: [] }, { api_key: [] }]);
  for (const status of ["200", "503"]) {
    expect(responses[status].content["application/json"].schema.required).toEqual(["status"]);
  }
});
