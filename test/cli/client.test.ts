import { expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { writeClient } from "../../src/cli/client/writer.ts";
import { BrowserPage } from "../browser.ts";
import { CHROMIUM, testWithProgram } from "../programs.ts";
import { Crm, crmPlugin, EVERYTHING } from "../resources/crm.ts";
import { TestFolder, type TestUser } from "../setup.ts";
import { checkTypes } from "./typed-project.ts";
import { xcore } from "./xcore-process.ts";

setDefaultTimeout(120_000);

const TSCONFIG = {
  compilerOptions: {
    strict: true,
    target: "es2022",
    module: "esnext",
    moduleResolution: "bundler",
    lib: ["es2022", "dom", "dom.iterable"],
    types: [],
    noEmit: true,
    allowImportingTsExtensions: true,
    noUncheckedIndexedAccess: true,
    exactOptionalPropertyTypes: true,
    noUnusedLocals: true,
    noUnusedParameters: true,
    verbatimModuleSyntax: true,
    erasableSyntaxOnly: true,
  },
};

/** What a program does with the client, with mistakes that its types find. */
const PROGRAM = `
import { createClient, eachItem, XcoreError } from "./client.ts";

export async function work(baseUrl: string, token: string) {
  const client = createClient({ baseUrl, token: async () => token });
  const { crm, auth, system } = client;
  const company = await crm.companies.create({ name: "Acme" });
  let etag = "";
  const deal = await crm.deals.create(
    { title: "Engines", amount: "1500.5", company_id: company.id, stage: "won" },
    { expand: "company" },
    { onResponse: ({ headers }) => void (etag = headers.get("etag") ?? "") },
  );
  for (const title of ["a", "b/ü?&", "c"]) await crm.deals.create({ title, amount: "1", company_id: company.id });
  // @ts-expect-error -- no stage of its
  const bad = () => crm.deals.create({ title: "x", amount: "1", company_id: 1, stage: "nope" });
  // @ts-expect-error -- no parameter of its
  const unknown = () => crm.deals.list({ nope: 1 });
  // @ts-expect-error -- a title is a text
  const wrong = () => crm.deals.update(1, { title: 1 });
  const won = await crm.deals.list({ stage: "won", filter: 'amount > 1000 && company.name ~ "acm"', sort: "-amount" });
  const titles: string[] = [];
  for await (const { title } of crm.deals.all({ per_page: 2, sort: "id", stage: ["won", "open"] })) titles.push(title);
  const changed = await crm.deals.update(deal.id, { stage: "lost" }, {}, { ifMatch: etag });
  const stale = await crm.deals.update(deal.id, { stage: "won" }, {}, { ifMatch: etag }).catch((error: unknown) => error);
  const one = await crm.deals.get(deal.id, { fields: "title" });
  const sums = await crm.deals.aggregate({ sum: "amount", group: "stage" });
  const sum: string | null | undefined = sums.items[0]?.sum?.amount;
  const seen = await crm.deals.get(deal.id, { expand: ["company", "owner"] });
  const listed = await crm.deals.list({ expand: "company", sort: "id", per_page: 1 });
  const companies: (string | undefined)[] = [seen.company?.name, ...listed.items.map(({ company }) => company?.city ?? company?.name)];
  for await (const { owner } of crm.deals.all({ expand: ["owner"], filter: 'title = "a"' })) companies.push(owner?.email);
  const withContacts = await crm.companies.get(company.id, { expand: "contacts" });
  const contacts: string[] = withContacts.contacts.map(({ name }) => name);
  // @ts-expect-error -- not asked for, and so it may be missing
  const lacking = () => seen.contact.id;
  // @ts-expect-error -- of an account, only some is shown
  const hash = () => seen.owner?.password_hash;
  // @ts-expect-error -- no relation of its
  const stranger = () => crm.deals.get(deal.id, { expand: ["competitor"] });
  await crm.deals.delete(deal.id);
  const gone = await crm.deals.get(deal.id).catch((error: unknown) => error);
  const refused = await bad().catch((error: unknown) => error);
  const me = await auth.getMe();
  const resources: string[] = [];
  for await (const { name } of eachItem(system.getResources, { per_page: 1 })) resources.push(name);
  return {
    won: won.items.map(({ amount }) => amount),
    titles,
    stage: changed.stage,
    stale: stale instanceof XcoreError && [stale.status, stale.code],
    one,
    sum,
    gone: gone instanceof XcoreError && gone.problem.code,
    refused: refused instanceof XcoreError && refused.problem.errors?.map(({ path, code }) => [path, code]),
    unknown: await unknown().catch((error: unknown) => (error instanceof XcoreError ? error.status : 0)),
    wrong: await wrong().catch((error: unknown) => (error instanceof XcoreError ? error.status : 0)),
    companies,
    contacts,
    lacking: seen.contact === undefined && lacking.length,
    hash: hash(),
    stranger: await stranger().catch((error: unknown) => (error instanceof XcoreError ? error.status : 0)),
    email: me.email,
    resources,
    dots: await crm.contacts.get(".." as never).catch((error: unknown) => String(error)),
  };
}
`;

const EXPECTED = {
  won: ["1500.50"],
  titles: ["Engines", "a", "b/ü?&", "c"],
  stage: "lost",
  stale: [412, "precondition_failed"],
  one: { title: "Engines" },
  sum: "1500.50",
  gone: "not_found",
  refused: [["/body/stage", "one_of"]],
  unknown: 422,
  wrong: 422,
  companies: ["Acme", "Acme", "ada@example.com"],
  contacts: [],
  lacking: 0,
  stranger: 422,
  email: "ada@example.com",
  resources: ["crm.companies", "crm.contacts", "crm.deals"],
  dots: 'TypeError: Cannot ask for /crm/contacts/{id} with ".."',
};

/** The example of the documentation, as a program. */
async function readExample(): Promise<string> {
  const text = await Bun.file(join(import.meta.dir, "../../docs/clients.md")).text();
  const [, example = ""] = /^```ts\n([^]*?)^```$/m.exec(text) ?? [];
  const given = "declare const etag: string, email: string, password: string, show: (row: unknown) => void;";
  const uses = "console.log(items);";
  return `${example.replace("./xcore.ts", "./client.ts")}\n${given}\n${uses}\n`;
}

/** A folder with the client of plugins/crm, as the command writes it, and a program that uses it. */
async function createProgram(): Promise<TestFolder> {
  const plugins = Object.entries(await crmPlugin()).map(([name, text]) => [`plugins/${name}`, text]);
  const folder = await TestFolder.create(Object.fromEntries(plugins));
  const { code, stdout } = await xcore(folder, ["client", "ts", "--out", "web/src/client.ts"]);
  expect([code, stdout]).toEqual([0, `Wrote ${join("web", "src", "client.ts")}\n`]);
  await folder.write({
    "web/src/program.ts": PROGRAM,
    "web/tsconfig.json": { ...TSCONFIG, files: ["src/program.ts"] },
  });
  return folder;
}

async function startCrm(): Promise<{ crm: Crm; ada: TestUser; token: string }> {
  const crm = await Crm.start();
  const ada = await crm.user("ada@example.com", EVERYTHING);
  return { crm, ada, token: ada.headers.authorization.replace("Bearer ", "") };
}

test("xcore client ts writes a client whose types hold, and which works in Bun", async () => {
  await using folder = await createProgram();
  const file = join(folder.path, "web/src/client.ts");
  const text = await Bun.file(file).text();
  expect(text).not.toMatch(/^import /m);
  // The same again, and on standard output.
  expect((await xcore(folder, ["client", "ts"])).stdout).toBe(text);
  await folder.write({
    "web/src/example.ts": await readExample(),
    "tsconfig.json": {
      extends: "./web/tsconfig.json",
      files: ["web/src/program.ts", "web/src/example.ts"],
    },
  });
  expect(await checkTypes(folder)).toEqual(new Map());

  const { crm, token } = await startCrm();
  await using _ = crm;
  const { work } = (await import(join(folder.path, "web/src/program.ts"))) as {
    work: (baseUrl: string, token: string) => Promise<object>;
  };
  expect(await work(`${crm.app.url}/`, token)).toEqual(EXPECTED);
});

testWithProgram(CHROMIUM, "the client works in a page", async (chromium) => {
  await using folder = await createProgram();
  await folder.write({
    "web/src/entry.ts": 'import { work } from "./program.ts";\nObject.assign(globalThis, { work });\n',
  });
  const { outputs } = await Bun.build({
    entrypoints: [join(folder.path, "web/src/entry.ts")],
    target: "browser",
    format: "iife",
  });
  const script = await outputs[0]?.text();
  const { crm, token } = await startCrm();
  await using _ = crm;
  await using page = await BrowserPage.open(chromium, `${crm.app.url}/docs`);
  await page.evaluate(`${script}; undefined`);
  expect(await page.evaluate(`work("", ${JSON.stringify(token)})`)).toEqual(EXPECTED);
});

const EVIL = "*/ globalThis.evil = 1; /* ${evil} ` \\ \" ' \n\r\u2028\u2029 </script> // ";
const json = (schema: object) => ({ description: EVIL, content: { "application/json": { schema } } });
const operation = (schema: object = {}) => ({
  summary: EVIL,
  description: EVIL,
  responses: { 200: json(schema) },
});

/** What a document may say, as plugins say what they like. */
const HOSTILE = {
  servers: [{ url: `https://x/${EVIL}` }],
  paths: {
    "/": { get: operation() },
    "/constructor/__proto__": { get: operation(), post: operation() },
    "/constructor/toString": { get: operation() },
    "/then": { get: operation() },
    "/crm/then/then": { post: operation() },
    "/{id}": { get: operation() },
    "/a-b/{class}/{id}/{id2}/{body}": { delete: operation() },
    "/a_b/{x}": { get: operation() },
    "/a_b/x": { get: operation() },
    "/9lives/été/日本": { get: operation() },
    [`/evil/${EVIL.replaceAll(/[{}]/g, "")}`]: { get: operation() },
    "/crm/deals": {
      get: {
        ...operation({ $ref: "#/components/schemas/Loop" }),
        parameters: [
          { name: EVIL, in: "query", schema: { enum: [EVIL, 1, null, { a: 1 }] }, description: EVIL },
          { name: "__proto__", in: "query", required: true, schema: { const: EVIL } },
          { name: "any", in: "query", style: "form", explode: true, schema: { type: "object" } },
          null,
          "x",
        ],
      },
      post: {
        ...operation({ $ref: "#/components/schemas/Promise" }),
        requestBody: json({ type: ["array", EVIL] }),
      },
    },
    "/crm/deals/list": { get: operation({ $ref: "#/nowhere" }), post: operation() },
    "/crm/deals/{id}/list": { get: { responses: { 204: {} } }, post: { responses: null } },
    "/empty": { get: null, put: {} },
  },
  components: {
    schemas: {
      Loop: { $ref: "#/components/schemas/Loop2" },
      Loop2: { anyOf: [{ $ref: "#/components/schemas/Loop" }, { type: "null" }] },
      Tree: {
        type: "object",
        properties: { children: { type: "array", items: { $ref: "#/components/schemas/Tree" } } },
      },
      Promise: {
        type: "object",
        required: [EVIL, "constructor"],
        properties: { [EVIL]: { type: "string" }, constructor: { type: "boolean" }, "a-b": { type: EVIL } },
        additionalProperties: true,
      },
      "a.b": { type: "array", prefixItems: [{ type: "string" }, { not: {} }] },
      a_b: { allOf: [{ type: "object" }, { properties: { x: { type: "integer" } } }] },
      createClient: { type: "toString" },
      Problem: { type: "string" },
      Deep: Array.from({ length: 5000 }).reduce<object>((items) => ({ type: "array", items }), {
        type: "string",
      }),
    },
  },
};

test("nothing that a plugin says of its routes leads out of the client's strings, comments and names", async () => {
  const resources = [
    { plugin: "crm", name: "deals", path: "/crm/deals", expand: [EVIL, `${EVIL}.company`] },
    { plugin: "crm", name: "then", path: "/crm/then", expand: [] },
    { plugin: "crm", name: "get-deals", path: "/nowhere", expand: ["company"] },
  ];
  const text = writeClient(HOSTILE, resources);
  expect(writeClient(HOSTILE, resources.toReversed())).toBe(text);
  await using folder = await TestFolder.create({
    "client.ts": text,
    "tsconfig.json": { ...TSCONFIG, files: ["client.ts"] },
  });
  expect(await checkTypes(folder)).toEqual(new Map());
  expect(text).not.toMatch(/[\u007F-\u009F\u2028\u2029]|<\/script/u);
  const { createClient } = (await import(join(folder.path, "client.ts"))) as {
    createClient: (options: object) => Record<string, Record<string, unknown>>;
  };
  const sent: string[] = [];
  const fetch = async (url: string) => {
    sent.push(new URL(url).pathname);
    return Response.json({});
  };
  const client = createClient({ baseUrl: "http://localhost", fetch });
  expect("evil" in globalThis).toBe(false);
  // Nothing of it passes for a promise.
  for (const space of [client, ...Object.values(client)]) expect("then" in space).toBe(false);
  expect(Object.keys(client)).toEqual(
    ["root", "constructor", "then_", "crm", "aB", "n9lives", "evil", "empty"].toSorted(),
  );
  expect(Object.keys(client["crm"] ?? {})).toEqual(["deals", "then_"]);
  const { deals } = client["crm"] as { deals: Record<string, (...parts: unknown[]) => Promise<unknown>> };
  expect(Object.keys(deals)).toEqual(["list", "create", "getList", "postList", "getList2", "postList2"]);
  await deals["getList2"]?.("a/../b?c#d");
  expect(sent).toEqual(["/crm/deals/a%2F..%2Fb%3Fc%23d/list"]);
});
