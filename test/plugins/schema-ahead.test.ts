import { expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { xcore } from "../cli/xcore-process.ts";
import { testOnEachDialect } from "../database-servers.ts";
import { type Files, plugin, TestApp } from "../setup.ts";

setDefaultTimeout(120_000);

const AHEAD = "schema.ts is ahead of its migrations: run xcore db generate crm";
const SCHEMA = `import { id, index, table, varchar } from "xcore/schema";
export const deals = table("crm_deals", { id: id(), title: varchar(50).notNull() });\n`;
const WITH_STAGE = SCHEMA.replace(".notNull()", ".notNull(), stage: varchar(20)");
const RUN = `import { createRouter, db } from "xcore";
import { deals } from "./schema.ts";
export default createRouter().get("/", () => db.select().from(deals));\n`;
const FILES: Files = { ...plugin("crm", ""), "crm/schema.ts": SCHEMA, "crm/run.ts": RUN };

async function run(app: TestApp, url: string, ...args: string[]): Promise<string> {
  // With a configuration of its own: the app's stands in no file.
  const { code, stdout, stderr } = await xcore(app.folder, args, { env: { DATABASE_URL: url } });
  if (code !== 0) throw new Error(stderr);
  return stdout;
}

testOnEachDialect("a schema.ts that is ahead of its migrations isn't swapped in", async ({ url }) => {
  await using app = await TestApp.start({ plugins: FILES, config: { database: { url } } });
  // Before its first migration too.
  expect((await app.get("/system/plugins/crm")).body).toMatchObject({
    state: "failed",
    serving: false,
    failure: { stage: "migrate", message: expect.stringContaining(AHEAD), file: "plugins/crm/schema.ts" },
  });
  await app.after("plugin.loaded", () => run(app, url, "db", "generate", "crm"));
  expect((await app.get("/crm")).body).toEqual([]);

  const failed = await app.after("plugin.failed", () => app.writePlugins({ "crm/schema.ts": WITH_STAGE }));
  expect(failed.data).toMatchObject({ stage: "migrate", serving: true, file: "plugins/crm/schema.ts" });
  expect(failed.data.message).toBe(`${AHEAD} (missing in them: column "crm_deals.stage")`);
  expect((await app.get("/crm")).body).toEqual([]);
  expect(await app.log("manager")).toContain(AHEAD);
  expect((await app.get("/health")).body).toMatchObject({ status: "degraded" });
  const { state, failure } = (await app.get("/system/plugins/crm")).body;
  expect({ state, stage: failure.stage }).toEqual({ state: "failed", stage: "migrate" });
  const [listed] = JSON.parse(await run(app, url, "plugin", "list", "--json")) as object[];
  expect(listed).toMatchObject({ name: "crm", state, failure });
  expect(await run(app, url, "plugin", "list")).toContain(AHEAD);
  const status = await run(app, url, "db", "status");
  expect(status).toMatch(/crm +schema\.ts +ahead/);
  expect(status).toContain(AHEAD);
  expect(JSON.parse(await run(app, url, "db", "status", "--json"))).toContainEqual({
    owner: "crm",
    migration: null,
    state: "ahead",
    applied_at: null,
    file: "plugins/crm/schema.ts",
  });

  await app.after("plugin.reloaded", () => run(app, url, "db", "generate", "crm"));
  expect((await app.get("/health")).body).toMatchObject({ status: "ok" });
  expect(await run(app, url, "db", "status")).not.toContain("ahead");
});

test("a schema.ts that is taken back to its migrations serves again", async () => {
  await using app = await TestApp.start({ plugins: FILES });
  await app.after("plugin.loaded", () => run(app, "sqlite:data/app.db", "db", "generate", "crm"));
  await app.after("plugin.failed", () => app.writePlugins({ "crm/schema.ts": WITH_STAGE }));
  await app.writePlugins({ "crm/schema.ts": SCHEMA });
  await app.app.plugins.refresh(null);
  expect((await app.get("/system/plugins/crm")).body).toMatchObject({ state: "serving", failure: null });
});

/** Each a change of the tables that a migration would be generated for. */
const CHANGES: Readonly<Record<string, [schema: string, missing: string]>> = {
  "a table that is new": [
    `${SCHEMA}export const notes = table("crm_notes", { id: id() });\n`,
    'table "crm_notes"',
  ],
  "a table that is gone": ["export {};\n", 'table "crm_deals", which is gone'],
  "a column that is gone": [
    SCHEMA.replace(", title: varchar(50).notNull()", ""),
    'column "crm_deals.title", which is gone',
  ],
  "a column that may be empty": [SCHEMA.replace(".notNull()", ""), 'column "crm_deals.title"'],
  "a column of another type": [SCHEMA.replace("varchar(50)", "varchar(90)"), 'column "crm_deals.title"'],
  "a default": [SCHEMA.replace(".notNull()", '.notNull().default("x")'), 'column "crm_deals.title"'],
  "an index": [
    SCHEMA.replace(" });", ' }, (deal) => [index("crm_deals_title").on(deal.title)]);'),
    '"crm_deals_title" of table "crm_deals"',
  ],
};

for (const [what, [schema, missing]] of Object.entries(CHANGES)) {
  test(`${what} is ahead of the migrations`, async () => {
    await using app = await TestApp.start({ plugins: FILES });
    await app.after("plugin.loaded", () => run(app, "sqlite:data/app.db", "db", "generate", "crm"));
    const failed = await app.after("plugin.failed", () =>
      app.writePlugins({
        "crm/run.ts": 'import { createRouter } from "xcore";\nexport default createRouter();\n',
        "crm/schema.ts": schema,
      }),
    );
    expect(failed.data).toMatchObject({ stage: "migrate", serving: true });
    expect(failed.data.message).toBe(`${AHEAD} (missing in them: ${missing})`);
  });
}

test("migrations written by hand, without snapshots, are compared with the database", async () => {
  const create =
    "create table crm_deals (id integer primary key autoincrement not null, title text not null)";
  await using app = await TestApp.start({
    plugins: { ...FILES, "crm/drizzle/sqlite/0000_create.sql": create },
  });
  expect((await app.get("/crm")).body).toEqual([]);
  const failed = await app.after("plugin.failed", () => app.writePlugins({ "crm/schema.ts": WITH_STAGE }));
  expect(failed.data).toMatchObject({ stage: "migrate", serving: true });
  expect(failed.data.message).toContain('(missing in the database: column "crm_deals.stage")');
  expect(await run(app, "sqlite:data/app.db", "db", "status")).toMatch(/crm +schema\.ts +ahead/);
  await app.after("plugin.reloaded", () =>
    app.writePlugins({ "crm/drizzle/sqlite/0001_stage.sql": "alter table crm_deals add stage text" }),
  );
});

test("a table that somebody else makes is declared with a migration that does nothing", async () => {
  await using app = await TestApp.start();
  await app.app.database.migrate((connection) =>
    connection.run("create table crm_deals (id integer primary key, title text)"),
  );
  const nothing = { "crm/drizzle/sqlite/0000_theirs.sql": "-- made by another program" };
  await app.after("plugin.loaded", () => app.writePlugins({ ...nothing, ...FILES }));
  expect((await app.get("/crm")).body).toEqual([]);
});

test("migrations for another database alone are none", async () => {
  const create = "create table crm_deals (id bigint)";
  await using app = await TestApp.start({
    plugins: { ...FILES, "crm/drizzle/postgres/0000_create.sql": create },
  });
  const { failure } = (await app.get("/system/plugins/crm")).body;
  expect(failure.message).toContain("there are some for postgres, and none for sqlite");
});

test("a plugin without tables, and one whose code declares some of its own, need no migrations", async () => {
  const own = `import { id, table } from "xcore/schema";\nexport const own = table("own", { id: id() });\n`;
  await using app = await TestApp.start({
    plugins: {
      ...plugin("bare", '.get("/", () => "bare")'),
      ...plugin("own", ""),
      "own/run.ts": `${own}import { createRouter } from "xcore";\nexport default createRouter();\n`,
      "own/schema.ts": "export const nothing = 1;\n",
    },
  });
  expect(app.app.plugins.list().map(({ state }) => state)).toEqual(["serving", "serving"]);
});

test("a snapshot that can't be read fails the load", async () => {
  await using app = await TestApp.start({ plugins: FILES });
  await app.after("plugin.loaded", () => run(app, "sqlite:data/app.db", "db", "generate", "crm"));
  await Bun.write(join(app.folder.path, "plugins/crm/drizzle/sqlite/meta/0000_snapshot.json"), "{");
  const failed = await app.after("plugin.failed", () => app.writePlugins({ "crm/run.ts": `${RUN}\n// x` }));
  expect(failed.data).toMatchObject({ stage: "migrate", serving: true });
  expect(failed.data.message).toContain("Cannot read the snapshot");
});
