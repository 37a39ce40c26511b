import { expect } from "bun:test";
import { type Crm, EVERYTHING, testCrm } from "./crm.ts";

const RUN = `
  import { createRouter, resource } from "xcore";
  import { companies, contacts, deals } from "./schema.ts";
  export default createRouter()
    .use(resource(companies, { fields: { city: { read: "companies:all" } } }))
    .use(resource(contacts))
    .use(resource(deals, {
      expand: ["company", "contact"],
      fields: { margin: { read: "deals:all" }, contact_id: { read: "deals:all" } },
      create: { owner_id: ({ user }) => user.id },
    }));
`;

const deal = { title: "A", amount: "1", company_id: 1 };

/** What is asked for with a slip of the pen, and what was meant; the last ones are of what is hidden. */
const SLIPS: readonly (readonly [method: string, path: string, body: unknown, meant: string])[] = [
  ["GET", '?filter=stgae = "won"', undefined, "stage"],
  ["GET", '?filter=stage = "opne"', undefined, "open"],
  ["GET", '?filter=amount > 1 %26%26 company.nme ~ "a"', undefined, "company.name"],
  ["GET", "?sort=-amuont", undefined, "amount"],
  ["GET", "?fields=id,titel", undefined, "title"],
  ["GET", "?expand=comapny", undefined, "company"],
  ["GET", "?stgae=won", undefined, "stage"],
  ["GET", "?amount.gt4=1", undefined, "amount.gt"],
  ["GET", "/1?fields=titel", undefined, "title"],
  ["GET", "/aggregate?sum=amuont", undefined, "amount"],
  ["GET", "/aggregate?group=closed_on.mnth", undefined, "close_on.month"],
  ["GET", "/aggregate?count&sort=-cuont", undefined, "count"],
  ["GET", "/export.csv?filter=stgae = null", undefined, "stage"],
  ["GET", "/export.csv?fields=titel", undefined, "title"],
  ["GET", "/changes?filter=stgae = null", undefined, "stage"],
  ["POST", "", { ...deal, titel: "A" }, "title"],
  ["PATCH", "/1", { titel: "A" }, "title"],
  ["POST", "/batch", { create: [{ ...deal, titel: "A" }] }, "title"],
  ["POST", "/import?key=i_d", [deal], "id"],
  ["POST", "/import", [{ ...deal, titel: "A" }], "title"],
];
const HIDDEN: readonly (readonly [method: string, path: string, body: unknown, meant: string])[] = [
  ["GET", "?filter=margn > 1", undefined, "margin"],
  ["GET", '?filter=company.ciy = "x"', undefined, "company.city"],
  ["GET", "?sort=margn", undefined, "margin"],
  ["GET", "?fields=margn", undefined, "margin"],
  ["GET", "?expand=conact", undefined, "contact"],
  ["GET", "/aggregate?sum=margn", undefined, "margin"],
  ["GET", "/aggregate?group=conact_id", undefined, "contact_id"],
  ["POST", "/import", [{ ...deal, margn: "1" }], "margin"],
];
/** What is refused before it is known who asks is suggested to nobody. */
const CLOSED: readonly (readonly [method: string, path: string, body: unknown, meant: string])[] = [
  ["GET", "?margn=1", undefined, "margin"],
  ["GET", "/aggregate?margn.gt=1", undefined, "margin"],
  ["POST", "", { ...deal, margn: "1" }, "margin"],
  ["PATCH", "/1", { margn: "1" }, "margin"],
  ["POST", "/batch", { update: [{ id: 1, margn: "1" }] }, "margin"],
];

async function saidTo(crm: Crm, user: Awaited<ReturnType<Crm["user"]>>, slip: (typeof SLIPS)[number]) {
  const [method, path, body] = slip;
  const answer = await crm.send(user, method, `/crm/deals${path}`, body);
  expect([slip, answer.status, answer.body.code]).toEqual([slip, 422, "validation_error"]);
  return answer.body.errors.map(({ message }: { message: string }) => message).join("\n");
}

testCrm(
  "a name that isn't there is answered with the one that was meant, and never with one that is hidden",
  async (crm) => {
    const ada = await crm.user("ada@example.com", EVERYTHING);
    const boss = await crm.user("boss@example.com", [...EVERYTHING, "deals:all", "companies:all"]);
    await crm.send(ada, "POST", "/crm/companies", { name: "Acme" });
    await crm.send(ada, "POST", "/crm/deals", deal);
    for (const slip of SLIPS) {
      // oxlint-disable-next-line no-await-in-loop -- one after another
      expect([slip, await saidTo(crm, ada, slip)]).toEqual([
        slip,
        expect.stringContaining(`did you mean "${slip[3]}"?`),
      ]);
    }
    for (const slip of [...HIDDEN, ...CLOSED]) {
      const hidden = slip[3].replace(/.*\./, "");
      // oxlint-disable-next-line no-await-in-loop
      expect([slip, await saidTo(crm, ada, slip)]).toEqual([
        slip,
        expect.not.stringMatching(new RegExp(`"(company\\.)?${hidden}["_.]`)),
      ]);
    }
    for (const slip of HIDDEN) {
      // oxlint-disable-next-line no-await-in-loop
      expect([slip, await saidTo(crm, boss, slip)]).toEqual([
        slip,
        expect.stringContaining(`did you mean "${slip[3]}"?`),
      ]);
    }
    // What is far from all is none of them.
    const far = await crm.send(ada, "GET", '/crm/deals?filter=qqqqqq = "x"');
    expect(far.body.errors[0].message).toMatch(/^Expected one of "id", .*, found "qqqqqq"$/);
  },
  RUN,
);
