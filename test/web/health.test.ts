import { expect, spyOn, test } from "bun:test";
import { plugin, TestApp } from "../setup.ts";

test("healthRoutes() answers ok with version and uptime", async () => {
  await using app = await TestApp.start({ plugins: plugin("x", '.get("/", () => 1)') });
  const { status, body } = await app.get("/health");
  expect([status, body]).toEqual([
    200,
    {
      status: "ok",
      checks: { database: "ok", plugins: "ok" },
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
  const response = await app.fetch("/health");
  const text = await response.text();
  expect(response.status).toBe(200);
  expect(JSON.parse(text)).toMatchObject({ status: "degraded", checks: { plugins: "failing" } });
  expect(text).not.toContain("secret");
  await app.after("plugin.loaded", () => app.writePlugins(plugin("x", '.get("/", () => 1)')));
  expect((await app.get("/health")).body.status).toBe("ok");
});

test("healthRoutes() tells the uptime of the process, which a change of the configuration doesn't reset", async () => {
  await using app = await TestApp.start();
  using uptime = spyOn(process, "uptime").mockReturnValue(125.9);
  expect((await app.get("/health")).body.uptime).toBe(125);
  expect(uptime).toHaveBeenCalled();
});
