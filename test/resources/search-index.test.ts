import { join } from "node:path";
import { expect, test } from "bun:test";
import { DIALECTS } from "../../src/db/contract/driver.ts";
import { generateMigration } from "../../src/db/migrations/generate/generate.ts";
import { createSchemaModule } from "../../src/db/schema/schema.ts";
import { testWithServer } from "../database-servers.ts";
import { TABLE_MAKERS } from "../db/table-makers.ts";
import { type Files, TestFolder, type TestUser } from "../setup.ts";
import { Crm, EVERYTHING } from "./crm.ts";
import { Follower } from "./follower.ts";

const SCHEMA = `
  const companies = table("crm_companies", { id: id(), name: varchar(200).notNull() });
  const deals = table("crm_deals", {
    id: id(),
    title: varchar(200).notNull(),
    body: text(),
    secret: text(),
    company_id: references(() => companies.id),
    owner_id: references(() => users.id).notNull(),
    deleted_at: timestamp(),
  }, (t) => [searchIndex("crm_deals_search").on(t.title, t.body, t.secret), index("crm_deals_company").on(t.company_id)]);
  const notes = table("crm_notes", { id: id(), title: varchar(200).notNull(), body: text() }, (t) => [
    searchIndex("crm_notes_search").on(t.title, t.body),
  ]);
`;
const NAMES = "id, index, references, searchIndex, table, text, timestamp, users, varchar";
const RUN = `
  import { eq } from "drizzle-orm";
  import { createRouter, resource } from "xcore";
  import { companies, deals, notes } from "./schema.ts";
  export default createRouter()
    .use(resource(companies, {}))
    .use(resource(notes, { search: ["title", "body"], searchIndex: true, permission: "deals" }))
    .use(resource(deals, {
      search: ["title", "body", "secret", "company.name"],
      searchIndex: true,
      expand: ["company"],
      softDelete: true,
      fields: { secret: { read: "deals:secret" } },
      rows: ({ user, can }) => (can("deals:all") ? undefined : eq(deals.owner_id, user.id)),
      create: { owner_id: ({ user }) => user.id },
    }));
`;

/** A plugin whose migrations are what `xcore db generate` writes. */
async function searchPlugin(run = RUN): Promise<Files> {
  await using folder = await TestFolder.create();
  // oxlint-disable-next-line typescript/no-implied-eval -- the same text as the plugin's file
  const declare = new Function(
    "xcore",
    `const { ${NAMES} } = xcore; ${SCHEMA} return { companies, deals, notes };`,
  );
  const migration = await generateMigration({
    folder: folder.path,
    schemaFor: (dialect) => Promise.resolve(declare(createSchemaModule(TABLE_MAKERS[dialect]))),
  });
  await migration?.write();
  const names = [...new Bun.Glob("**/*").scanSync(folder.path)];
  const files = names.map(async (name) => [
    `crm/drizzle/${name}`,
    await Bun.file(join(folder.path, name)).text(),
  ]);
  return {
    ...(Object.fromEntries(await Promise.all(files)) as Files),
    "crm/schema.ts": `import { ${NAMES} } from "xcore/schema";\n${SCHEMA.replaceAll(/^ {2}const/gm, "export const")}`,
    "crm/plugin.json": {
      name: "crm",
      version: "1.0.0",
      permissions: { "deals:all": "See the deals of others", "deals:secret": "See secrets" },
    },
    "crm/run.ts": run,
  };
}

/** Declares a test for each database, with what is searched on a database of its own. */
function testSearch(name: string, run: (crm: Crm) => Promise<void>): void {
  for (const dialect of DIALECTS) {
    testWithServer(dialect, `${name} (${dialect})`, 120_000, async () => {
      await using crm = await Crm.start({ dialect, plugins: await searchPlugin() });
      await run(crm);
    });
  }
}

async function withPeople(crm: Crm) {
  const ada = await crm.user("ada@example.com", EVERYTHING);
  const boss = await crm.user("boss@example.com", [...EVERYTHING, "deals:all", "deals:secret"]);
  for (const name of ["Acme École", "Other"]) {
    // oxlint-disable-next-line no-await-in-loop -- in their order
    expect((await crm.send(boss, "POST", "/crm/companies", { name })).status).toBe(201);
  }
  const make = async (user: TestUser, values: object): Promise<number> => {
    const made = await crm.send(user, "POST", "/crm/deals", values);
    expect(made.status).toBe(201);
    return made.body.id;
  };
  const find = async (user: TestUser, q: string, more = ""): Promise<number[]> => {
    const query = `q=${encodeURIComponent(q)}${more}`;
    const list = await crm.send(user, "GET", `/crm/deals?${query}&sort=id`);
    expect([list.status, q]).toEqual([200, q]);
    const ids = list.body.items.map(({ id }: { id: number }) => id);
    // Counted, summed up and exported alike.
    expect(list.body.total).toBe(ids.length);
    const sums = await crm.send(user, "GET", `/crm/deals/aggregate?count&${query}`);
    expect([q, sums.body.items.map(({ count }: { count: number }) => count)]).toEqual([q, [ids.length]]);
    const exported = await crm.send(user, "GET", `/crm/deals/export.json?fields=id&${query}`);
    expect([
      q,
      exported.body.map(({ id }: { id: number }) => id).toSorted((a: number, b: number) => a - b),
    ]).toEqual([q, ids]);
    return ids;
  };
  return { ada, boss, make, find };
}

testSearch("words are found by an index, by the rules, in rows and behind relations", async (crm) => {
  const { ada, boss, make, find } = await withPeople(crm);
  await make(boss, { title: "Big ships", body: "for L'École", company_id: 2 });
  await make(boss, { title: "Shipyard", company_id: 1 });
  await make(ada, { title: "to be", body: null, secret: "ship" });
  await make(ada, { title: "C++ & co", body: 'x*y 100% "near" AND foo:bar -5 東京タワー', company_id: 1 });
  expect(await find(boss, "ship")).toEqual([1, 2, 3]);
  expect(await find(boss, "SHIPS big")).toEqual([1]);
  expect(await find(boss, "yard")).toEqual([]);
  expect(await find(ada, "ship")).toEqual([]); // others' rows, and a column that isn't for everybody
  expect(await find(boss, "ecole")).toEqual([1]); // without accents in the row, as it is in the company
  expect(await find(boss, "École")).toEqual([1, 2, 4]);
  expect(await find(boss, "cole ship")).toEqual([2]); // anywhere in the company, at a word's beginning in the row
  expect(await find(boss, "other big")).toEqual([1]);
  expect(await find(boss, "ship", "&title.contains=yard")).toEqual([2]);
  for (const q of ["c++", "x*y", "100%", '"near"', "foo:bar", "-5", "京タ", "& co", "be"]) {
    // oxlint-disable-next-line no-await-in-loop -- one after another
    expect([q, await find(boss, q)]).toEqual([q, q === "be" ? [3] : [4]]);
  }
  const hostile = [
    "NEAR(a b)", "title:ship", "ship*", "*", '"', "' or 1=1 --", "ship OR x", "+ship -big", "^big", "a:* & b", "!x", "(", "[a-z]", "\\", "{}"
  ]; // prettier-ignore
  for (const q of hostile) {
    const list = await crm.send(boss, "GET", `/crm/deals?q=${encodeURIComponent(q)}`); // oxlint-disable-line no-await-in-loop
    expect([q, list.status, list.body.items?.length ?? 0]).toEqual([q, 200, q === "*" || q === '"' ? 1 : 0]);
  }
  expect((await crm.send(boss, "GET", "/crm/deals?q=xyz%00")).status).toBe(422);
  expect((await find(boss, "a".repeat(450))).length).toBe(0);
  expect((await find(boss, "")).length).toBe(4);
});

testSearch("an index follows what is written in one transaction, deleted and restored", async (crm) => {
  const { boss, make, find } = await withPeople(crm);
  const [first, second] = [
    await make(boss, { title: "one" }),
    await make(boss, { title: "two", company_id: 1 }),
  ];
  const batch = await crm.send(boss, "POST", "/crm/deals/batch", {
    create: [{ title: "three" }],
    update: [{ id: first, title: "barge", body: "uno" }],
    delete: [second],
  });
  expect(batch.status).toBe(200);
  const words = ["one", "uno", "barge", "two", "three"];
  const found: [string, number][] = [];
  // oxlint-disable-next-line no-await-in-loop -- one after another
  for (const word of words) found.push([word, (await find(boss, word)).length]);
  expect(found).toEqual([["one", 0], ["uno", 1], ["barge", 1], ["two", 0], ["three", 1]]); // prettier-ignore
  const deleted = await crm.send(boss, "GET", "/crm/deals?q=two&deleted=only");
  expect(deleted.body.items).toHaveLength(1);
  await crm.send(boss, "POST", `/crm/deals/${second}/restore`);
  expect(await find(boss, "two")).toEqual([second]);
  const failed = await crm.send(boss, "POST", "/crm/deals/batch", {
    create: [{ title: "x", company_id: 99 }],
    update: [{ id: first, title: "gone" }],
  });
  expect(failed.status).toBe(422);
  expect([await find(boss, "gone"), await find(boss, "barge")]).toEqual([[], [first]]);
  for (const body of ["Ωmega", "le père Noël"]) {
    await crm.send(boss, "POST", "/crm/notes", { title: "n", body }); // oxlint-disable-line no-await-in-loop
  }
  const notes = await crm.send(boss, "GET", "/crm/notes?q=noel pere");
  expect(notes.body.items.map(({ id }: { id: number }) => id)).toEqual([2]);
});

testSearch("who follows changes by words is told of the rows that a list has", async (crm) => {
  const { boss, make } = await withPeople(crm);
  await using ships = await Follower.open(crm.app, boss, "?q=ship");
  await using schools = await Follower.open(crm.app, boss, "?q=ecole");
  expect([(await ships.next())?.event, (await schools.next())?.event]).toEqual(["ready", "ready"]);
  const id = await make(boss, { title: "Shipyard", body: "l'École" });
  await make(boss, { title: "worship" });
  expect([await ships.nexts(1), await schools.nexts(1)]).toEqual([
    [["created", "Shipyard"]],
    [["created", "Shipyard"]],
  ]);
  await crm.send(boss, "PATCH", `/crm/deals/${id}`, { title: "Warship" });
  const [gone] = await ships.nexts(1);
  expect(gone?.[0]).toBe("deleted");
  expect(await schools.nexts(1)).toEqual([["updated", "Warship"]]);
  await crm.send(boss, "PATCH", `/crm/deals/${id}`, { title: "A ship", body: null });
  expect((await schools.nexts(1))[0]?.[0]).toBe("deleted");
  expect((await ships.nexts(1))[0]?.[1]).toBe("A ship");
});

test("searchIndex is refused without an index of what is searched", async () => {
  const refused: [string, string][] = [
    [`resource(companies, { search: ["name"], searchIndex: true })`,
      'return searchIndex("crm_companies_search").on(t.name) from the third argument of table(), and run xcore db generate'],
    [`resource(notes, { search: ["title"], searchIndex: true }), resource(deals, { search: ["company.name"], searchIndex: true })`,
      '"searchIndex" needs one of its columns in "search"'],
  ]; // prettier-ignore
  for (const [resources, message] of refused) {
    const run = `import { createRouter, resource } from "xcore";
      import { companies, deals, notes } from "./schema.ts";
      const all = [${resources}];
      export default all.reduce((router, one) => router.use(one), createRouter());`;
    await using crm = await Crm.start({ plugins: await searchPlugin(run) }); // oxlint-disable-line no-await-in-loop
    const answer = await crm.send(await crm.app.admin(), "GET", "/system/plugins/crm"); // oxlint-disable-line no-await-in-loop
    expect(JSON.stringify(answer.body)).toContain(message.replaceAll('"', '\\"'));
  }
});
