import { expect } from "bun:test";
import { type Crm, EVERYTHING, testCrm } from "./crm.ts";

/** Each rule throws for whom it is called after. */
const RUN = `
  import { createRouter, resource } from "xcore";
  import { companies, contacts, deals } from "./schema.ts";
  const fail = (name, user) => {
    if (user?.email?.startsWith(name)) throw new Error("what only the log says");
    return true;
  };
  const rows = (name) => ({ user }) => (fail(name, user), undefined);
  export default createRouter()
    .use(resource(companies, {
      rows: rows("target"), expand: ["deals"], relations: { deals: deals.company_id },
    }))
    .use(resource(contacts))
    .use(resource(deals, {
      expand: ["company"],
      search: ["title", "company.name"],
      history: true,
      rows: { read: rows("read"), update: rows("update"), delete: rows("delete") },
      fields: { margin: { read: ({ user }) => fail("field", user), write: ({ user }) => fail("write", user) } },
      create: { owner_id: ({ user }) => (fail("create", user), user.id) },
      check: ({ user }) => (fail("check", user), undefined),
      workflow: { field: "stage", transitions: { win: { from: "open", to: "won" } } },
    }));
`;
const deal = { title: "Engines", amount: "1", margin: "7", company_id: 1 };
type Request = readonly [method: string, path: string, body?: unknown];

const READING: readonly Request[] = [
  ["GET", "/deals"],
  ["GET", "/deals?fields=id&total=false"],
  ["GET", "/deals/1"],
  ["GET", "/deals/aggregate?sum=amount"],
  ["GET", "/deals/export.csv"],
  ["GET", "/deals/export.json"],
  ["GET", "/deals/export.xlsx"],
  ["GET", "/deals/1/history"],
  ["GET", "/deals/changes"],
  ["GET", "/companies?expand=deals"],
  ["GET", "/companies/1?expand=deals"],
];
const RELATED: readonly Request[] = [
  ["GET", "/deals?expand=company"],
  ["GET", "/deals/1?expand=company"],
  ["GET", '/deals?filter=company.name ~ "a"'],
  ["GET", "/deals?q=a"],
  ["GET", "/deals/aggregate?group=company.name"],
  ["GET", "/companies"],
];
const MAKING: readonly Request[] = [
  ["POST", "/deals", deal],
  ["POST", "/deals/batch", { create: [deal] }],
  ["POST", "/deals/import", [deal, deal]],
  ["POST", "/deals/import?dry_run=true", [deal]],
  ["POST", "/deals/import?on_error=skip", [deal]],
];
const CHANGING: readonly Request[] = [
  ["PATCH", "/deals/1", { title: "x" }],
  ["POST", "/deals/batch", { update: [{ id: 1, title: "x" }] }],
  ["POST", "/deals/import?key=id", [{ id: 1, title: "x" }]],
  ["POST", "/deals/1/win"],
  ["POST", "/deals/1/revert", { to: 1 }],
];
const DELETING: readonly Request[] = [
  ["DELETE", "/deals/2"],
  ["POST", "/deals/batch", { delete: [2] }],
];
const FAILING: Readonly<Record<string, readonly Request[]>> = {
  read: [...READING, ...MAKING, ...CHANGING, ...DELETING],
  update: [...MAKING, ...CHANGING],
  delete: DELETING,
  field: READING,
  write: MAKING,
  create: MAKING,
  check: [...MAKING, ...CHANGING],
  target: [...RELATED, ...MAKING],
};

const stateOf = async (crm: Crm, user: Awaited<ReturnType<Crm["user"]>>) =>
  (await crm.send(user, "GET", "/crm/deals?sort=id")).body.items;

testCrm(
  "a rule that throws is a 500 which shows and writes nothing",
  async (crm) => {
    const ada = await crm.user("ada@example.com", EVERYTHING);
    await crm.send(ada, "POST", "/crm/companies", { name: "Acme" });
    for (const title of ["Engines", "Ships"])
      // oxlint-disable-next-line no-await-in-loop -- one after another
      expect((await crm.send(ada, "POST", "/crm/deals", { ...deal, title })).status).toBe(201);
    const before = await stateOf(crm, ada);
    for (const [name, requests] of Object.entries(FAILING)) {
      // oxlint-disable-next-line no-await-in-loop
      const user = await crm.user(`${name}@example.com`, EVERYTHING);
      for (const [method, path, body] of requests) {
        // oxlint-disable-next-line no-await-in-loop
        const answer = await crm.send(user, method, `/crm${path}`, body);
        expect([name, method, path, answer.status, answer.body]).toEqual([
          name,
          method,
          path,
          500,
          {
            type: "about:blank",
            title: "Internal Server Error",
            status: 500,
            detail: "Something went wrong: quote the request id to the administrator",
            instance: expect.any(String),
            code: "internal_error",
            request_id: expect.any(String),
          },
        ]);
      }
    }
    expect(await stateOf(crm, ada)).toEqual(before);
    expect(await crm.app.log("app")).toContain("what only the log says");
  },
  RUN,
);
