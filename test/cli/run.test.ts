import { expect, setDefaultTimeout, test } from "bun:test";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { type Files, TestFolder } from "../setup.ts";
import { xcore, XcoreServer } from "./xcore-process.ts";

setDefaultTimeout(120_000);

const BLOG: Files = {
  "plugins/blog/plugin.json": { name: "blog", version: "1.0.0" },
  "plugins/blog/schema.ts": `import { id, table, varchar } from "xcore/schema";
export const articles = table("blog_articles", { id: id(), title: varchar(255).notNull() });
`,
  "plugins/blog/run.ts": `import { AppError, cli, db, hooks, log } from "xcore";
import { articles } from "./schema.ts";

let isSetUp = false;
export const setup = () => { isSetUp = true; };
export const teardown = () => console.log("torn down");

cli.command("import <file>", "Import articles from a CSV file", async ({ file, dryRun, limit = "all" }) => {
  const titles = (await Bun.file(file).text()).trim().split("\\n");
  log.info({ file }, "importing");
  for (const title of titles) {
    if (title === "") throw new AppError("empty_title", 422, "Cannot import articles.csv: a title is empty");
    if (!dryRun) await db.insert(articles).values({ title });
  }
  await hooks.emit("blog.imported", titles.length);
  console.log(JSON.stringify({ file, dryRun, limit, isSetUp, rows: await db.$count(articles) }));
}, { options: { "--dry-run": "Import nothing", "-l, --limit <n>": "How many at most" } });

cli.command("show [first] [others...]", "Show its arguments", (input) => console.log(JSON.stringify(input)));
cli.command("crash", "Throw", () => {
  throw new RangeError("boom");
});
cli.command("late", "Fail when nobody looks", () => new Promise(() => {
  setTimeout(() => { throw new Error("behind everyone's back"); }, 1);
}));
cli.command("exit", "Choose the exit code", () => { process.exitCode = 7; });
`,
  "plugins/ears/plugin.json": { name: "ears", version: "1.0.0" },
  "plugins/ears/run.ts": `import { hooks } from "xcore";
hooks.on("blog.imported", ({ data }) => console.log("heard of " + data));
`,
  "plugins/broken/plugin.json": { name: "broken", version: "1.0.0" },
  "plugins/broken/run.ts": "\nthrow new Error('broken');",
  "plugins/off/plugin.json": { name: "off", version: "1.0.0", active: false },
  "plugins/off/run.ts": 'import { cli } from "xcore";\ncli.command("x", "X", () => {});\n',
  "articles.csv": "one\ntwo\n",
};

async function createProject(): Promise<TestFolder> {
  const folder = await TestFolder.create(BLOG);
  const { code, stderr } = await xcore(folder, ["db", "generate", "blog"]);
  expect([code, stderr]).toEqual([0, ""]);
  return folder;
}

test("xcore run runs a command with the database, the hooks of all plugins, and setup()", async () => {
  await using folder = await createProject();
  const { code, stdout, stderr } = await xcore(folder, ["run", "blog", "import", "articles.csv", "-l", "5"]);
  expect(code).toBe(0);
  expect(stdout.split("\n")).toEqual([
    "heard of 2",
    '{"file":"articles.csv","dryRun":false,"limit":"5","isSetUp":true,"rows":2}',
    "torn down",
    "",
  ]);
  expect(stderr).toContain('"msg":"importing"');
  expect(stderr).toContain("plugin failed: plugins/broken/run.ts:2: Error: broken");
  expect(stderr).not.toContain("plugin loaded");
  expect(await readdir(folder.path)).not.toContain("logs");
  const again = await xcore(folder, ["run", "blog", "import", "articles.csv", "--dry-run"]);
  expect(again.stdout).toContain('"dryRun":true,"limit":"all","isSetUp":true,"rows":2}');
});

test("xcore run works beside a running server, whose rows it sees", async () => {
  await using folder = await createProject();
  await using server = await XcoreServer.start(folder);
  expect((await xcore(folder, ["run", "blog", "import", "articles.csv"])).stdout).toContain('"rows":2');
  expect(server.output).not.toContain("heard of");
});

test.each<[string[], string]>([
  [[], "{}"],
  [["a"], '{"first":"a","others":[]}'],
  [["a", "b", "--", "--c"], '{"first":"a","others":["b","--c"]}'],
])("xcore run gives the handler its arguments: %j", async (words, input) => {
  await using folder = await createProject();
  const { stdout } = await xcore(folder, ["run", "blog", "show", ...words]);
  expect(JSON.parse(stdout.split("\n")[0] ?? "")).toEqual({ others: [], ...JSON.parse(input) });
});

test("xcore run shows help made of what plugins have registered", async () => {
  await using folder = await createProject();
  for (const flag of ["--help", "-h"]) {
    const { code, stdout } = await xcore(folder, ["run", flag]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^ {2}blog import <file> +Import articles from a CSV file$/m);
    expect(stdout).toMatch(/^ {2}blog show \[first\] \[others\.\.\.\] +Show its arguments$/m);
    expect(stdout).toContain("$ xcore run blog import articles.csv");
  }
  const group = await xcore(folder, ["run", "blog", "--help"]);
  expect(group.code).toBe(0);
  expect(group.stdout).toMatch(/^ {2}import \[options\] <file> +Import articles from a CSV file$/m);
  const one = await xcore(folder, ["run", "blog", "import", "--help"]);
  expect(one.code).toBe(0);
  expect(one.stdout).toContain("Usage: xcore run blog import [options] <file>");
  expect(one.stdout).toMatch(/-l, --limit <n> +How many at most/);
  expect(await readdir(folder.path)).not.toContain("data");
});

test.each<[string[], number, RegExp]>([
  [[], 2, /Usage: xcore run <plugin> <command>[^]*blog import <file>/],
  [["blog"], 2, /Usage: xcore run blog/],
  [["blog", "improt"], 2, /unknown command 'improt'[^]*Did you mean import\?/],
  [["blog", "import"], 2, /missing required argument 'file'/],
  [["blog", "import", "a", "b"], 2, /too many arguments/],
  [["blog", "import", "a", "--dryrun"], 2, /unknown option '--dryrun'[^]*Did you mean --dry-run\?/],
  [["blgo", "import"], 1, /^Cannot find plugin "blgo": there is none; did you mean "blog"\?$/m],
  [["ears", "import"], 1, /^Cannot run a command of "ears": it has registered none$/m],
  [["off", "x"], 1, /^Cannot run a command of "off": it is disabled; run `xcore plugin enable off`$/m],
  [["broken", "import"], 1, /^plugins\/broken\/run\.ts:2: Error: broken$/m],
])("xcore run %j ends with %d, and touches nothing", async (words, exit, reason) => {
  await using folder = await createProject();
  const { code, stdout, stderr } = await xcore(folder, ["run", ...words]);
  expect([code, stdout]).toEqual([exit, ""]);
  expect(stderr).toMatch(reason);
  expect(await readdir(folder.path)).not.toContain("data");
});

test("xcore run doesn't tell of mistakes that have nothing to do with the command", async () => {
  const guarded = `import { cli, createRouter } from "xcore";
cli.command("say", "Say something", () => console.log("said"));
export default createRouter().get("/", () => 1, { permission: "tlak:read" });
`;
  await using folder = await TestFolder.create({
    "config.json": { plugins: { settings: { tlak: { a: 1 } } } },
    "plugins/talk/plugin.json": { name: "talk", version: "1.0.0", permissions: { "talk:read": "Read" } },
    "plugins/talk/run.ts": guarded,
  });
  const { code, stdout, stderr } = await xcore(folder, ["run", "talk", "say"]);
  expect([code, stdout]).toEqual([0, "said\n"]);
  expect(stderr).not.toContain("tlak");
});

test("xcore run ends with 1 when the handler fails, and says where", async () => {
  await using folder = await createProject();
  await folder.write({ "empty.csv": "one\n\ntwo" });
  const refused = await xcore(folder, ["run", "blog", "import", "empty.csv"]);
  expect(refused.code).toBe(1);
  expect(refused.stderr).toEndWith("Cannot import articles.csv: a title is empty\n");
  const crashed = await xcore(folder, ["run", "blog", "crash"]);
  expect(crashed.code).toBe(1);
  expect(crashed.stderr).toMatch(/RangeError: boom\n +at .*plugins\/blog\/run\.ts:21:/);
  const late = await xcore(folder, ["run", "blog", "late"]);
  expect(late.code).toBe(1);
  expect(late.stderr).toContain("behind everyone's back");
  expect(late.stdout).toBe("torn down\n");
  expect((await xcore(folder, ["run", "blog", "exit"])).code).toBe(7);
});

test("xcore run takes another config.json", async () => {
  await using folder = await createProject();
  await folder.write({ "other/config.json": { plugins: { directory: "../plugins" } }, "other/a.csv": "one" });
  const words = ["run", "blog", "import", "other/a.csv", "--config", "other/config.json"];
  expect((await xcore(folder, words)).stdout).toContain('"rows":1');
  expect(await readdir(join(folder.path, "other"))).toContain("data");
});
