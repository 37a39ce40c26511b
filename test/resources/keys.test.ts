import { expect } from "bun:test";
import { EVERYTHING, testCrm } from "./crm.ts";

const RUN = `
  import { createRouter, db, hooks, resource } from "xcore";
  import { sql } from "drizzle-orm";
  import { table, varchar } from "xcore/schema";
  import { companies, contacts, deals } from "./schema.ts";
  export const codes = table("crm_codes", { code: varchar(40).primaryKey(), name: varchar(50) });
  hooks.on("crm.code.creating", ({ data: { values } }) => {
    if (values.name === "of the hook") values.code = "made";
    if (values.name === "nowhere") values.code = "..";
    if (values.name === "everywhere") values.code = null;
  });
  hooks.on("crm.code.updating", ({ data: { before, values } }) => {
    values.code = values.name === "moved" ? "moved" : before.code;
  });
  hooks.on("crm.company.creating", ({ data: { values } }) => {
    if (values.name === "Seventy-seven") values.id = 77;
  });
  hooks.on("crm.company.updating", ({ data: { values } }) => {
    if (values.name === "moved") values.id = 78;
  });
  export default createRouter()
    .use(resource(codes, { permission: null, history: true }))
    .use(resource(companies))
    .use(resource(deals));
  export const setup = () =>
    db.execute(sql.raw("create table crm_codes (code varchar(40) primary key, name varchar(50))"));
`;

const UNREACHABLE = [
  "",
  ".",
  "..",
  "aggregate",
  "changes",
  "import",
  "export.csv",
  "export.json",
  "export.xlsx",
];
const STRANGE = [
  "a/b",
  "%2e%2e",
  "?x",
  "#",
  "a b",
  " a",
  "...",
  "\u{1f600}",
  "history",
  "batch",
  "Aggregate",
  "a%2Fb",
  "+",
  ";",
  "\\",
  "'",
  "*",
];

testCrm(
  "a key of text that no address leads to is refused, and every other one is reached",
  async (crm) => {
    const ada = await crm.user("ada@example.com", EVERYTHING);
    for (const code of UNREACHABLE) {
      // oxlint-disable-next-line no-await-in-loop -- one after another
      const answers = await Promise.all([
        crm.send(ada, "POST", "/crm/codes", { code, name: "x" }),
        crm.send(
          ada,
          "POST",
          "/crm/codes?on_conflict=code",
          { code, name: "x" },
          { prefer: "resolution=merge" },
        ),
        crm.send(ada, "POST", "/crm/codes/batch", { create: [{ code, name: "x" }] }),
        crm.send(ada, "POST", "/crm/codes/import", [
          { code, name: "x" },
          { code: `${code}2`, name: "y" },
        ]),
      ]);
      const paths = ["/body/code", "/body/code", "/body/create/0/code", "/lines/1/code"];
      for (const [at, { status, body }] of answers.entries())
        expect([code, status, body.errors]).toEqual([
          code,
          422,
          [
            {
              ...(at === 3 && { line: 1, column: "code" }),
              path: paths[at],
              code: "reserved",
              message: expect.any(String),
            },
          ],
        ]);
    }
    expect((await crm.send(ada, "GET", "/crm/codes")).body.total).toBe(0);
    for (const code of STRANGE) {
      // oxlint-disable-next-line no-await-in-loop
      const made = await crm.send(ada, "POST", "/crm/codes", { code, name: "x" });
      expect([code, made.status]).toEqual([code, 201]);
      const place = made.headers.get("location") ?? "";
      // oxlint-disable-next-line no-await-in-loop
      const read = await crm.app.fetch(place, { headers: ada.headers });
      expect([code, read.status, await read.json()]).toEqual([code, 200, { code, name: "x" }]);
      // oxlint-disable-next-line no-await-in-loop
      const entries = await crm.app.fetch(`${place}/history`, { headers: ada.headers });
      expect([code, (await entries.json()).total]).toEqual([code, 1]);
      // oxlint-disable-next-line no-await-in-loop
      const gone = await crm.app.fetch(place, { method: "DELETE", headers: ada.headers });
      expect([code, gone.status]).toEqual([code, 204]);
    }
  },
  RUN,
);

testCrm(
  "a hook gives new rows their keys, and changes none",
  async (crm) => {
    const ada = await crm.user("ada@example.com", EVERYTHING);
    const made = await crm.send(ada, "POST", "/crm/codes", { code: "given", name: "of the hook" });
    expect([made.status, made.body, made.headers.get("location")]).toEqual([
      201,
      { code: "made", name: "of the hook" },
      "/crm/codes/made",
    ]);
    const nowhere = await crm.send(ada, "POST", "/crm/codes", { code: "given", name: "nowhere" });
    expect([nowhere.status, nowhere.body.errors?.[0].path]).toEqual([422, "/body/code"]);
    const numbered = await crm.send(ada, "POST", "/crm/companies", { name: "Seventy-seven" });
    expect([numbered.status, numbered.body.id]).toEqual([201, 77]);

    // As before is no change.
    const renamed = await crm.send(ada, "PATCH", "/crm/codes/made", { name: "renamed" });
    expect([renamed.status, renamed.body]).toEqual([200, { code: "made", name: "renamed" }]);
    for (const [path, name] of [
      ["/crm/codes/made", "renamed"],
      ["/crm/companies/77", "Seventy-seven"],
    ] as const) {
      // oxlint-disable-next-line no-await-in-loop -- one after another
      const moved = await crm.send(ada, "PATCH", path, { name: "moved" });
      expect([path, moved.status, moved.body.code]).toEqual([path, 500, "internal_error"]);
      // oxlint-disable-next-line no-await-in-loop
      expect((await crm.send(ada, "GET", path)).body.name).toBe(name);
    }
    expect(await crm.app.log("app")).toContain(
      'A handler of \\"crm.code.updating\\" changes the key \\"code\\" of a code',
    );
  },
  RUN,
);
