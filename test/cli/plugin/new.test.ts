import { expect, setDefaultTimeout, test } from "bun:test";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { TestFolder } from "../../setup.ts";
import { checkTypes } from "../typed-project.ts";
import { xcore, XcoreServer } from "../xcore-process.ts";

setDefaultTimeout(120_000);

test("xcore plugin new makes a plugin that a running server loads, and swaps when it is edited", async () => {
  await using folder = await TestFolder.create();
  await using server = await XcoreServer.start(folder);
  await server.after(async () => {
    const { code, stdout } = await xcore(folder, ["plugin", "new", "sales_orders"]);
    expect(code).toBe(0);
    expect(stdout).toContain("Made plugins/sales_orders: edit plugins/sales_orders/run.ts");
    expect(stdout).toContain("/sales_orders");
  }, /plugin loaded/);
  expect(await (await server.fetch("/sales_orders")).json()).toEqual({ message: "Hello from Sales orders!" });
  expect(server.output).not.toContain("plugin failed");
  expect(await readdir(join(folder.path, "plugins"))).toEqual(["sales_orders"]);

  const run =
    'import { createRouter } from "xcore";\nexport default createRouter().get("/", () => "edited");\n';
  await server.after(() => folder.write({ "plugins/sales_orders/run.ts": run }), /plugin reloaded/);
  expect(await (await server.fetch("/sales_orders")).text()).toBe("edited");
});

test("xcore plugin new makes it in the configured directory", async () => {
  await using folder = await TestFolder.create({ "config.json": { plugins: { directory: "modules" } } });
  expect((await xcore(folder, ["plugin", "new", "blog"])).code).toBe(0);
  expect(await Bun.file(join(folder.path, "modules/blog/plugin.json")).json()).toMatchObject({
    name: "blog",
  });
});

test("xcore plugin new gives the editor the types of the plugin, unless it has others", async () => {
  await using folder = await TestFolder.create();
  const { stdout } = await xcore(folder, ["plugin", "new", "blog"]);
  expect(stdout).toContain("Made .xcore and tsconfig.json: ");
  expect(await checkTypes(folder)).toEqual(new Map());
  expect((await xcore(folder, ["plugin", "new", "crm"])).stdout).not.toContain(".xcore");
  expect((await readdir(join(folder.path, ".xcore/plugins"))).toSorted()).toEqual(["blog.d.ts", "crm.d.ts"]);

  await folder.remove(".xcore");
  await folder.write({ "tsconfig.json": "{}" });
  expect((await xcore(folder, ["plugin", "new", "shop"])).stdout).not.toContain(".xcore");
  expect((await readdir(folder.path)).toSorted()).toEqual(["plugins", "tsconfig.json"]);
});

test("xcore plugin new makes the plugin although the editor's files can't be written", async () => {
  await using folder = await TestFolder.create({ "tsconfig.json/taken": "" });
  const { code, stdout, stderr } = await xcore(folder, ["plugin", "new", "blog"]);
  expect(code).toBe(0);
  expect(stdout).toContain("Made plugins/blog");
  expect(stderr).toMatch(/^Cannot prepare the editor: .+; run `xcore types`.*\n$/);
});

test("xcore plugin new --table makes a plugin with a table as an API, whose test passes", async () => {
  await using folder = await TestFolder.create();
  const { code, stdout } = await xcore(folder, ["plugin", "new", "sales", "--table", "orders"]);
  expect(code).toBe(0);
  expect(stdout).toContain(
    "Made plugins/sales: edit plugins/sales/schema.ts, it is served at /sales/orders\n",
  );
  const [, generate = "", run = ""] = /^ {2}xcore (.+?) {2}.*\n {2}xcore (.+?) {2}/m.exec(stdout) ?? [];
  expect((await readdir(join(folder.path, "plugins/sales"))).toSorted()).toEqual([
    "plugin.json",
    "run.ts",
    "sales.test.ts",
    "schema.ts",
  ]);
  expect(generate).toBe("db generate sales");
  expect(await xcore(folder, generate.split(" "))).toMatchObject({ code: 0 });
  expect(await checkTypes(folder)).toEqual(new Map());
  expect(run).toBe("test plugins/sales");
  expect(await xcore(folder, [...run.split(" "), "--timeout", "60000"])).toMatchObject({
    code: 0,
    stderr: expect.stringContaining("1 pass"),
  });
});

test("xcore plugin new --table takes any word for a table", async () => {
  await using folder = await TestFolder.create();
  const made = [
    ["stock", []],
    ["crm", ["crm_deals"]],
    ["a", ["class"]],
    ["b", ["table"]],
    ["c", ["price_list_2"]],
    ["d", ["await"]],
  ] as const;
  for (const [name, table] of made) {
    // oxlint-disable-next-line no-await-in-loop -- one after another, as somebody would
    expect(await xcore(folder, ["plugin", "new", name, "--table", ...table])).toMatchObject({ code: 0 });
  }
  expect(await checkTypes(folder)).toEqual(new Map());
  const schemas = await Promise.all(
    made.map(async ([name]) => {
      const text = await Bun.file(join(folder.path, `plugins/${name}/schema.ts`)).text();
      return /const .*"/.exec(text)?.[0];
    }),
  );
  expect(schemas).toEqual([
    'const items = table("stock_items"',
    'const deals = table("crm_deals"',
    'const classTable = table("a_class"',
    'const tableTable = table("b_table"',
    'const priceList2 = table("c_price_list_2"',
    'const awaitTable = table("d_await"',
  ]);
});

test.each([
  ["Orders", "lower-case letters"],
  ["order-lines", "lower-case letters"],
  ["a".repeat(32), "at most 31"],
])("xcore plugin new exits with 2 when the table is %p", async (table, words) => {
  await using folder = await TestFolder.create();
  const { code, stderr } = await xcore(folder, ["plugin", "new", "blog", "--table", table]);
  expect([code, await readdir(folder.path)]).toEqual([2, []]);
  expect(stderr).toContain(words);
  const long = await xcore(folder, ["plugin", "new", "p".repeat(60), "--table", "orders"]);
  expect([long.code, await readdir(folder.path)]).toEqual([2, []]);
  expect(long.stderr).toContain("more than 63 characters");
});

test.each([
  ["Blog", "lower-case letters"],
  ["1st", "starts with a letter"],
  ["../up", "lower-case letters"],
  ["my-blog", "lower-case letters"],
  ["docs", '"/docs" is reserved'],
  ["a".repeat(65), "at most 64"],
])("xcore plugin new exits with 2 when the name is %p", async (name, words) => {
  await using folder = await TestFolder.create();
  const { code, stderr } = await xcore(folder, ["plugin", "new", name]);
  expect(code).toBe(2);
  expect(stderr).toContain(words);
  expect(await readdir(folder.path)).toEqual([]);
});

test("xcore plugin new exits with 1 and changes nothing when the folder exists", async () => {
  await using folder = await TestFolder.create({ "plugins/blog/run.ts": "// mine" });
  const { code, stderr } = await xcore(folder, ["plugin", "new", "blog"]);
  expect(code).toBe(1);
  expect(stderr).toBe("Cannot make plugins/blog: it exists; choose another name\n");
  expect(await readdir(join(folder.path, "plugins/blog"))).toEqual(["run.ts"]);
});
