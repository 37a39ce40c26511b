import { join } from "node:path";
import { expect, test } from "bun:test";
import { XcoreServer } from "../cli/xcore-process.ts";
import { parseLines } from "../log/log-folder.ts";
import { TestFolder } from "../setup.ts";

const PLUGIN = {
  "plugins/shop/plugin.json": { name: "shop", version: "1.0.0" },
  "plugins/shop/run.ts": `import { createRouter, log } from "xcore";
export default createRouter()
  .get("/broken/:id", ({ params }) => { throw new Error("the shop is closed"); })
  .get("/secret", () => "secret", { auth: true })
  .get("/logs", () => { for (let i = 0; i < 300; i += 1) { log.info("one of many"); log.warn({ i }, "row skipped"); log.warn("odd"); } return "logged"; });
`,
};
const REQUESTS = 412;

test("a flood of equal failures and refusals is folded, and what is asked for rotates no error away", async () => {
  await using folder = await TestFolder.create(PLUGIN);
  await using server = await XcoreServer.start(folder);
  for (let index = 0; index < REQUESTS; index += 1) {
    // oxlint-disable-next-line no-await-in-loop -- one after another
    await Promise.all([server.fetch(`/shop/broken/${index}`), server.fetch("/shop/secret?token=x")]);
  }
  await server.fetch("/shop/logs");
  server.kill("SIGTERM");
  expect(await server.exited).toBe(0);
  const read = async (name: string) => parseLines(await Bun.file(join(folder.path, "logs", name)).text());
  const lines = [...(await read("app.log")), ...(await read("access.log"))];
  const having = (message: RegExp | string): Record<string, unknown>[] =>
    lines.filter(({ msg }) => (typeof message === "string" ? msg === message : message.test(String(msg))));
  const sum = (pattern: RegExp): number =>
    having(pattern).reduce((total, { repeated }) => total + Number(repeated), 0);
  // Where it took more than ten seconds, there are two of each.
  expect(having("request failed").length).toBeLessThanOrEqual(10);
  expect(having("request failed")[0]).toMatchObject({ level: "error", plugin: "shop" });
  expect(having(/^request failed ×\d+ in \d+ s$/)[0]).toMatchObject({
    level: "error",
    plugin: "shop",
    reason: "Error: the shop is closed",
  });
  expect(sum(/^request failed ×/)).toBe(REQUESTS);
  expect(having("access refused").length).toBeLessThanOrEqual(10);
  expect(having(/^access refused ×\d+ in \d+ s$/)[0]).toMatchObject({
    level: "info",
    ip_address: "127.0.0.1",
    code: "authentication_error",
  });
  expect(sum(/^access refused ×/)).toBe(REQUESTS);
  // Requests are all there, beside the errors, and what a plugin has to say.
  const answered = (await read("access.log")).filter(({ msg }) => msg === "request");
  for (const status of [401, 500])
    expect(answered.filter((line) => line["status"] === status)).toHaveLength(REQUESTS);
  expect(answered[0]).toMatchObject({ ip_address: "127.0.0.1", user_id: null });
  expect((await read("app.log")).filter(({ msg }) => /request$|refused/.test(String(msg)))).toEqual([]);
  expect(having("one of many")).toHaveLength(300);
  expect(having("odd").length).toBeLessThanOrEqual(10);
  expect(sum(/^odd ×/)).toBe(300);
  expect(having("row skipped")).toHaveLength(300);
}, 120_000);
