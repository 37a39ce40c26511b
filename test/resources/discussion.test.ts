import { expect, test } from "bun:test";
import type { TestUser } from "../setup.ts";
import { TestApp } from "../setup.ts";
import { makePng } from "../storage/pictures.ts";
import { type Answer, Crm, crmPlugin, setupTables, testCrm } from "./crm.ts";

const RUN = `
  import { eq, sql } from "drizzle-orm";
  import { createRouter, db, resource } from "xcore";
  import { id, references, table, timestamp, users, varchar } from "xcore/schema";
  export const tickets = table("crm_tickets", {
    id: id(), title: varchar(50).notNull(), owner_id: references(() => users.id), deleted_at: timestamp(),
  });
  export const notes = table("crm_notes", { code: varchar(300).primaryKey(), title: varchar(50).notNull() });
  export default createRouter()
    .use(resource(tickets, {
      permission: "tickets", comments: true, history: true, softDelete: true,
      attachments: { types: ["application/pdf", "image/*"], maxSize: "10kb" },
      rows: ({ user, can }) => (can("tickets:all") ? undefined : eq(tickets.owner_id, user.id)),
      create: { owner_id: ({ user }) => user.id },
    }))
    .use(resource(notes, { permission: "notes", comments: true, attachments: true }));
  ${setupTables([
    (key, moment) =>
      `create table crm_tickets (id ${key}, title varchar(50) not null, owner_id bigint, deleted_at ${moment})`,
    () => "create table crm_notes (code varchar(300) primary key, title varchar(50) not null)",
  ])}
`;
const PDF = "%PDF-1.7\n%%EOF\n";
const SCRIPT = "<script>alert(1)</script>";
const WRITE = ["tickets:read", "tickets:write", "notes:read", "notes:write", "notes:delete"];
const AT = "/crm/tickets/1";

const pdf = (name = "offer.pdf", content = PDF): File =>
  new File([content], name, { type: "application/pdf" });

async function attach({ app }: Crm, user: TestUser | null, path: string, file: File): Promise<Answer> {
  const body = new FormData();
  body.append("file", file);
  const response = await app.fetch(path, { method: "POST", headers: user?.headers ?? {}, body });
  return { status: response.status, headers: response.headers, body: await response.json() };
}

function onTickets(name: string, run: (crm: Crm) => Promise<void>): void {
  test(name, async () => {
    await using crm = await Crm.start({ run: RUN });
    await run(crm);
  });
}

testCrm(
  "what is said of a row is seen by who sees it, changed by who has said it, and goes with the row",
  async (crm) => {
    const ada = await crm.user("ada@example.com", WRITE);
    const bob = await crm.user("bob@example.com", [...WRITE, "tickets:all"]);
    const chief = await crm.user("chief@example.com", ["tickets:read", "tickets:all", "tickets:delete"]);
    await crm.send(ada, "POST", "/crm/tickets", { title: "Printer" });
    const said = await crm.send(ada, "POST", `${AT}/comments`, { body: SCRIPT });
    expect(said).toMatchObject({
      status: 201,
      body: {
        id: 1,
        body: SCRIPT,
        author: { email: "ada@example.com" },
        edited_at: null,
        may_edit: true,
        may_delete: true,
      },
    });
    await crm.send(bob, "POST", `${AT}/comments`, { body: "I see" });
    const listed = await crm.send(bob, "GET", `${AT}/comments?per_page=1`);
    expect(listed.body).toMatchObject({ total: 2, items: [{ body: "I see", may_edit: true }] });
    const first = await crm.send(bob, "GET", `${AT}/comments?per_page=1&after=${listed.body.next}`);
    expect(first.body.items).toMatchObject([{ body: SCRIPT, may_edit: false, may_delete: false }]);
    // Neither another's, nor one of another row.
    expect((await crm.send(bob, "PATCH", `${AT}/comments/1`, { body: "x" })).status).toBe(403);
    expect((await crm.send(bob, "DELETE", `${AT}/comments/1`)).status).toBe(403);
    await crm.send(ada, "POST", "/crm/tickets", { title: "Other" });
    expect((await crm.send(ada, "PATCH", "/crm/tickets/2/comments/1", { body: "x" })).status).toBe(404);
    const edited = await crm.send(ada, "PATCH", `${AT}/comments/1`, { body: "calm" });
    expect(edited.body).toMatchObject({ body: "calm", edited_at: expect.any(String) });
    // Who may delete rows deletes what is said of them, and changes nothing of it.
    expect((await crm.send(chief, "POST", `${AT}/comments`, { body: "x" })).status).toBe(403);
    expect((await crm.send(chief, "PATCH", `${AT}/comments/1`, { body: "x" })).status).toBe(403);
    expect((await crm.send(chief, "DELETE", `${AT}/comments/2`)).status).toBe(204);
    expect((await crm.send(ada, "GET", `${AT}/comments`)).body.total).toBe(1);

    // A row that is deleted and kept keeps it; nothing is added until it is back.
    await crm.send(chief, "DELETE", AT);
    expect((await crm.send(ada, "GET", `${AT}/comments`)).status).toBe(404);
    expect((await crm.send(chief, "GET", `${AT}/comments`)).body.total).toBe(1);
    expect((await crm.send(ada, "POST", `${AT}/comments`, { body: "x" })).status).toBe(404);
    await crm.send(chief, "POST", `${AT}/restore`);
    expect((await crm.send(ada, "GET", `${AT}/comments`)).body.total).toBe(1);

    const code = "x".repeat(300);
    const note = `/crm/notes/${code}`;
    await crm.send(ada, "POST", "/crm/notes", { code, title: "x" });
    await crm.send(ada, "POST", `${note}/comments`, { body: "long" });
    const file = await attach(crm, ada, `${note}/attachments`, pdf());
    expect((await crm.send(ada, "GET", file.body.url)).body).toBe(PDF);
    expect((await crm.send(ada, "DELETE", note)).status).toBe(204);
    await crm.send(ada, "POST", "/crm/notes", { code, title: "again" });
    expect((await crm.send(ada, "GET", `${note}/comments`)).body.items).toEqual([]);
    expect((await crm.send(ada, "GET", `${note}/attachments`)).body.items).toEqual([]);
    const { store } = crm.app.app;
    expect(await store.db.$count(store.tables.storedFiles)).toBe(0);
    expect(await store.db.$count(store.tables.resourceComments)).toBe(1);
  },
  RUN,
);

testCrm(
  "files are attached within their bounds, served as harmless, and deleted by who has attached them",
  async (crm) => {
    const ada = await crm.user("ada@example.com", WRITE);
    const bob = await crm.user("bob@example.com", [...WRITE, "tickets:all"]);
    await crm.send(ada, "POST", "/crm/tickets", { title: "Printer" });
    const path = `${AT}/attachments`;
    const made = await attach(crm, ada, path, pdf(`../../${SCRIPT}.pdf`));
    expect(made).toMatchObject({
      status: 201,
      body: {
        type: "application/pdf",
        size: PDF.length,
        author: { email: "ada@example.com" },
        may_delete: true,
      },
    });
    expect(made.body.name).not.toContain("<");
    expect(made.body.url).toBe(`${path}/${made.body.id}`);
    const read = await crm.send(bob, "GET", made.body.url);
    expect([read.status, read.body]).toEqual([200, PDF]);
    expect(read.headers.get("content-disposition")).toStartWith("attachment");
    const picture = new File([makePng(300, 100)], "me.png", { type: "image/png" });
    const second = await attach(crm, bob, path, picture);
    const thumb = await crm.send(ada, "GET", `${second.body.url}?thumb=64x64`);
    expect([thumb.status, thumb.headers.get("content-type")]).toEqual([200, "image/webp"]);
    for (const [file, code] of [
      [pdf("large.pdf", PDF + "x".repeat(11_000)), "file_size"],
      [new File([SCRIPT], "x.svg", { type: "image/svg+xml" }), "file_type"],
      [new File([SCRIPT], "x.pdf", { type: "application/pdf" }), "file_type"],
    ] as const) {
      // oxlint-disable-next-line no-await-in-loop -- one after another
      const refused = await attach(crm, ada, path, file);
      expect([refused.status, refused.body.errors?.[0]]).toMatchObject([422, { path: "/body/file", code }]);
    }
    const listed = await crm.send(ada, "GET", `${path}?per_page=1`);
    expect(listed.body).toMatchObject({ total: 2, items: [{ name: "me.png", may_delete: false }] });
    expect((await crm.send(ada, "DELETE", second.body.url)).status).toBe(403);
    expect((await crm.send(ada, "DELETE", made.body.url)).status).toBe(204);
    expect((await crm.send(ada, "GET", made.body.url)).status).toBe(404);
    const { store, storage } = crm.app.app;
    const cleaner = await storage.cleaner();
    expect(await cleaner.clean(new Date(Date.now() + 90 * 86_400_000))).toEqual({ files: 0, contents: 0 });
    expect(await store.db.$count(store.tables.storedFiles)).toBe(1);
  },
  RUN,
);

testCrm(
  "the activity of a row merges what was changed, said and attached, the latest first",
  async (crm) => {
    const ada = await crm.user("ada@example.com", WRITE);
    await crm.send(ada, "POST", "/crm/tickets", { title: "Printer" });
    await crm.send(ada, "POST", `${AT}/comments`, { body: "broken" });
    await attach(crm, ada, `${AT}/attachments`, pdf());
    await crm.send(ada, "PATCH", AT, { title: "Printer 2" });
    const { body } = await crm.send(ada, "GET", `${AT}/activity`);
    expect(body.total).toBe(4);
    expect(body.items.map(({ kind }: { kind: string }) => kind).toSorted()).toEqual([
      "attachment",
      "change",
      "change",
      "comment",
    ]);
    const moments = body.items.map(({ at }: { at: string }) => at);
    expect(moments).toEqual(moments.toSorted().toReversed());
    expect(body.items.every(({ actor }: Answer["body"]) => actor.email === "ada@example.com")).toBe(true);
    const pages = await Promise.all(
      [1, 2].map((page) => crm.send(ada, "GET", `${AT}/activity?per_page=2&page=${page}`)),
    );
    expect(pages.flatMap((page) => page.body.items)).toEqual(body.items);
    expect((await crm.send(ada, "GET", `${AT}/activity?page=11&per_page=100`)).status).toBe(422);
    expect((await crm.send(ada, "GET", `${AT}/activity?sort=at`)).status).toBe(422);
  },
  RUN,
);

onTickets(
  "of a row that somebody can't see there is nothing, and nothing is taken from nobody",
  async (crm) => {
    const ada = await crm.user("ada@example.com", WRITE);
    const eve = await crm.user("eve@example.com", WRITE);
    const nobody = await crm.user("nobody@example.com", ["notes:read"]);
    await crm.send(ada, "POST", "/crm/tickets", { title: "Printer" });
    await crm.send(ada, "POST", `${AT}/comments`, { body: "secret" });
    const { body: file } = await attach(crm, ada, `${AT}/attachments`, pdf());
    const tried: [method: string, path: string, body?: object][] = [
      ["GET", `${AT}/comments`],
      ["POST", `${AT}/comments`, { body: "x" }],
      ["PATCH", `${AT}/comments/1`, { body: "x" }],
      ["DELETE", `${AT}/comments/1`],
      ["GET", `${AT}/attachments`],
      ["GET", file.url],
      ["DELETE", file.url],
      ["GET", `${AT}/activity`],
    ];
    for (const [method, path, body] of tried) {
      // oxlint-disable-next-line no-await-in-loop -- one after another
      const statuses = await Promise.all(
        [eve, nobody, null].map(async (user) => (await crm.send(user, method, path, body)).status),
      );
      expect([method, path, statuses]).toEqual([method, path, [404, 403, 401]]);
    }
    expect((await attach(crm, eve, `${AT}/attachments`, pdf())).status).toBe(404);
    expect((await attach(crm, nobody, `${AT}/attachments`, pdf())).status).toBe(403);
    const { store } = crm.app.app;
    expect(await store.db.$count(store.tables.storedFiles)).toBe(1);
  },
);

onTickets("what is no comment is refused, and a retry with an idempotency-key says it once", async (crm) => {
  const ada = await crm.user("ada@example.com", WRITE);
  await crm.send(ada, "POST", "/crm/tickets", { title: "Printer" });
  for (const body of ["", "  \n ", "a\0b", "x".repeat(10_001), "x".repeat(1_000_000), 7, null]) {
    // oxlint-disable-next-line no-await-in-loop -- one after another
    const refused = await crm.send(ada, "POST", `${AT}/comments`, { body });
    expect([refused.status, refused.body.errors?.[0]?.path]).toEqual([422, "/body/body"]);
  }
  const headers = { "idempotency-key": "once" };
  const [first, second] = [
    await crm.send(ada, "POST", `${AT}/comments`, { body: "x".repeat(10_000) }, headers),
    await crm.send(ada, "POST", `${AT}/comments`, { body: "x".repeat(10_000) }, headers),
  ];
  expect([first.status, second.status, second.body.id]).toEqual([201, 201, first.body.id]);
  expect((await crm.send(ada, "GET", `${AT}/comments`)).body.total).toBe(1);
  expect((await crm.send(ada, "PATCH", `${AT}/comments/0`, { body: "x" })).status).toBe(422);
});

onTickets("it is described and documented, and isn't there where no resource asks for it", async (crm) => {
  const { body } = await crm.app.getAsAdmin("/system/resources/crm.tickets");
  expect(body).toMatchObject({ comments: true, attachments: true });
  const { body: api } = await crm.app.get("/openapi.json");
  expect(Object.keys(api.paths)).toContain("/crm/tickets/{id}/comments/{comment}");
  expect(Object.keys(api.paths["/crm/tickets/{id}/attachments"].post.requestBody.content)).toEqual([
    "multipart/form-data",
  ]);
  await using plain = await Crm.start();
  const ada = await plain.user("ada@example.com", ["companies:read", "companies:write"]);
  await plain.send(ada, "POST", "/crm/companies", { name: "Acme" });
  expect((await plain.send(ada, "GET", "/crm/companies/1/comments")).status).toBe(404);
});

test("a resource whose options can't be is refused with what was meant", async () => {
  for (const [options, message] of [
    ['{ attachments: { type: ["image/*"] } } as object', 'did you mean \\"types\\"?'],
    ['{ attachments: { maxSize: "lots" } }', "expected such as"],
  ]) {
    const run = `
      import { createRouter, resource } from "xcore";
      import { companies } from "./schema.ts";
      export default createRouter().use(resource(companies, ${options ?? ""}));`;
    // oxlint-disable-next-line no-await-in-loop -- each is an app
    await using app = await TestApp.start({ plugins: await crmPlugin(run) });
    // oxlint-disable-next-line no-await-in-loop -- each is an app
    expect(JSON.stringify((await app.get("/system/plugins/crm")).body)).toContain(message ?? "");
  }
});
