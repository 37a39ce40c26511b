import { expect, setDefaultTimeout, test } from "bun:test";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { PluginHost } from "../../plugins/remote/plugin-host.ts";
import { TestFolder } from "../../setup.ts";
import { xcore } from "../xcore-process.ts";

setDefaultTimeout(120_000);

const FILES = {
  "plugin.json": { name: "crm", version: "1.0.0" },
  "run.ts": 'import { createRouter } from "xcore";\nexport default createRouter();\n',
};

test("xcore plugin verify compares copies and places with the pin, and exits with 1 when one differs", async () => {
  await using host = new PluginHost();
  const { url, integrity } = host.publish("/crm", FILES);
  await using folder = await TestFolder.create({
    "config.json": { plugins: { remote: { crm: { url, integrity } } } },
  });
  const before = await xcore(folder, ["plugin", "verify", "--offline"]);
  expect(before).toMatchObject({ code: 1, stdout: `crm ${integrity}\n  there is no copy here\n` });
  await xcore(folder, ["plugin", "list"]);
  const fine = await xcore(folder, ["plugin", "verify", "crm"]);
  const gap = " ".repeat(url.length - "cache".length);
  expect(fine).toEqual({
    code: 0,
    stdout: `crm ${integrity}\n  cache${gap}  ok\n  ${url}  ok\n`,
    stderr: "",
  });
  const next = host.publish("/crm", { ...FILES, "run.ts": "export {};" });
  const changed = await xcore(folder, ["plugin", "verify"]);
  expect(changed).toMatchObject({ code: 1, stderr: "Cannot vouch for crm: see above\n" });
  expect(changed.stdout).toContain(`  ${url}  differs: expected ${integrity}, found ${next.integrity}\n`);

  const file = [...new Bun.Glob("data/plugins/sources/*/files/run.ts").scanSync(folder.path)][0] ?? "";
  await writeFile(join(folder.path, file), "export {};");
  const damaged = await xcore(folder, ["plugin", "verify", "--offline", "--json"]);
  expect(damaged.code).toBe(1);
  expect(JSON.parse(damaged.stdout)).toMatchObject([
    { name: "crm", integrity, ok: false, copies: [{ where: "cache", state: "differs" }] },
  ]);
});

test("xcore plugin verify says what isn't pinned or listed", async () => {
  await using folder = await TestFolder.create({
    "config.json": { plugins: { remote: { crm: { url: "https://a.example/x.ts" } } } },
  });
  expect(await xcore(folder, ["plugin", "verify"])).toMatchObject({
    code: 1,
    stdout: "crm: not pinned; run `xcore plugin update crm`\n",
  });
  expect(await xcore(folder, ["plugin", "verify", "erp"])).toMatchObject({ code: 1, stdout: "" });
  await folder.write({ "config.json": {} });
  expect(await xcore(folder, ["plugin", "verify"])).toMatchObject({
    code: 0,
    stdout: "Nothing to verify: plugins.remote lists no plugin\n",
  });
});
