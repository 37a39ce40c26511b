import { expect, test } from "bun:test";
import { createUiApp, type UiAppOptions } from "../../../src/ui/ui.ts";
import { plugin } from "../../setup.ts";
import { World } from "../../accounts/impersonation/world.ts";
import { Office } from "./office.ts";

const TICKETS = "/ui/records/desk/tickets";
const TIMEOUT_MS = 120_000; // bounds a hang
const SECRET = "not-for-you";
const RIGHTS = ["tickets:read", "tickets:write", "tickets:delete"];
const RUN = `
import { eq, sql } from "drizzle-orm";
import { createRouter, db, resource } from "xcore";
import { enumOf, file, id, references, table, timestamp, users, varchar } from "xcore/schema";
const tickets = table("desk_tickets", {
  id: id(), title: varchar(50).notNull(), margin: varchar(50), owner_id: references(() => users.id),
  parent_id: references(() => tickets.id), scan: file(), state: enumOf(["open", "shut"]).notNull().default("open"), deleted_at: timestamp(),
});
export default createRouter().use(resource(tickets, {
  search: ["title"], expand: ["parent"], comments: true, attachments: true, history: true, softDelete: true,
  relations: { children: tickets.parent_id },
  rows: ({ user, can }) => (can("tickets:all") ? undefined : eq(tickets.owner_id, user.id)),
  fields: { margin: { read: "tickets:all", write: "tickets:all" }, owner_id: { write: false } },
  create: { owner_id: ({ user }) => user.id },
  workflow: { field: "state", transitions: { shut: { from: "open", to: "shut" } } },
}));
export const setup = () => db.execute(sql.raw("create table desk_tickets (id integer primary key autoincrement, title varchar(50) not null, margin varchar(50), owner_id integer, parent_id integer, scan text, state varchar(20) not null default 'open', deleted_at text)"));
`;

/** A ticket of an administrator's, and somebody who may read, write and delete those of their own. */
async function open() {
  const office = await Office.open({ files: { ...plugin("desk", ""), "desk/run.ts": RUN } });
  await office.send("POST", "/desk/tickets", { title: SECRET, margin: SECRET });
  await office.send("POST", "/desk/tickets/1/comments", { body: SECRET });
  const body = new FormData();
  body.append("file", new File([SECRET], `${SECRET}.txt`, { type: "text/plain" }));
  const attached = await office.jar.fetch("/desk/tickets/1/attachments", {
    method: "POST",
    body,
    headers: { "sec-fetch-site": "same-origin" },
  });
  const { id: attachment } = (await attached.json()) as { id: string };
  await office.send("POST", "/system/resources/desk.tickets/views", { name: SECRET, query: { q: SECRET } });
  const world = new World(office.app);
  const bob = await world.join(RIGHTS);
  return { office, world, bob, attachment, [Symbol.asyncDispose]: () => office[Symbol.asyncDispose]() };
}

async function stateOf({ office }: Awaited<ReturnType<typeof open>>): Promise<unknown> {
  const ticket = "/desk/tickets/1";
  return Promise.all([
    office.send("GET", `${ticket}?fields=id,title,margin,owner_id,state,deleted_at`),
    ...["comments", "attachments", "history"].map((part) => office.send("GET", `${ticket}/${part}`)),
    office.send("GET", "/system/resources/desk.tickets/views"),
  ]);
}

test(
  "no page shows, and no form changes, a row that isn't there to whoever asks, by whatever is guessed of it",
  async () => {
    await using opened = await open();
    const { office, bob, attachment } = opened;
    await bob.jar.send("POST", "/desk/tickets", { title: "Of bob" });
    const before = await stateOf(opened);
    const options = { guards: office.app.app.accounts.guards, flashKey: new Uint8Array(32) } as UiAppOptions;
    const routes = (await createUiApp(options)).routes().filter((route) => route.includes("/ui/records/"));
    const values: Record<string, string> = {
      plugin: "desk",
      resource: "tickets",
      column: "title",
      attachment,
      format: "csv",
    };
    const sent =
      "f-title=mine&id=1&act=delete&confirmed=yes&body=mine&step=shut&to=1&name=mine&back=1&state=q%3Dmine";
    const outer = JSON.stringify({ resource: "desk.tickets", id: "1", column: "title", sent: {} });
    const fields = { ...Object.fromEntries(new URLSearchParams(sent)), outer };
    const queries = [
      "",
      `?parent_id=1&f-parent_id=1&w-parent_id=not&id=1&_columns=title,margin,owner_id&deleted=with&_view=1`,
    ];
    const wrong: string[] = [];
    const look = async (what: string, asked: Promise<Response>): Promise<void> => {
      const answer = await asked;
      const text = await answer.text();
      if (answer.status >= 500 || text.includes(SECRET)) wrong.push(`${answer.status} ${what}`);
    };
    for (const route of routes) {
      const [method = "", pattern = ""] = route.split(" ");
      const path = pattern.replaceAll(/:(\w+)/g, (_, name: string) => values[name] ?? "1");
      const asked =
        method === "GET"
          ? queries.map((query) => look(route + query, bob.jar.get(path + query)))
          : ["delete", "restore", "edit", "csv", "replace", "rename"].map((act) =>
              look(`${route} ${act}`, bob.jar.post(path, { ...fields, act })),
            );
      // oxlint-disable-next-line no-await-in-loop -- those of one route at the same time are enough
      await Promise.all(asked);
    }
    await look("palette", bob.jar.get(`/ui/find?q=${SECRET.slice(0, 5)}`));
    await look("search", bob.jar.get(`${TICKETS}?q=${SECRET.slice(0, 5)}`));
    await look("filter", bob.jar.get(`${TICKETS}?margin.contains=not`));
    expect(wrong).toEqual([]);
    expect(await stateOf(opened)).toEqual(before);
  },
  TIMEOUT_MS,
);

test("a form sets nothing that it has no field of: keys, owners, states, hidden columns and files of others", async () => {
  await using opened = await open();
  const { office, bob } = opened;
  const all = Object.fromEntries(
    ["f-", "", "u-", "o-"].flatMap((prefix) =>
      Object.entries({
        id: "77",
        margin: "9",
        owner_id: "1",
        state: "shut",
        deleted_at: "2026-01-01T00:00:00",
      }).map(([name, value]) => [prefix + name, value]),
    ),
  );
  expect((await bob.jar.post(`${TICKETS}/~new`, { ...all, "f-title": "Of bob" })).status).toBe(303);
  const shown = () => office.send("GET", "/desk/tickets/2?fields=id,title,margin,owner_id,state,deleted_at");
  const made = { id: 2, title: "Of bob", margin: null, owner_id: bob.id, state: "open", deleted_at: null };
  expect(await shown()).toEqual(made);
  expect((await bob.jar.post(`${TICKETS}/2`, { ...all, "f-title": "Changed" })).status).toBe(303);
  for (const column of ["id", "margin", "owner_id", "state", "deleted_at", "__proto__", "constructor"])
    expect((await bob.jar.post(`${TICKETS}/2/~cell/${column}`, all)).status).toBe(404);
  const columns = Object.keys(all).filter((name) => !name.includes("-"));
  const bulk = [
    ["id", "2"],
    ...columns.map((name) => ["_set", name]),
    ...Object.entries(all).filter(([name]) => name !== "id"),
  ];
  await bob.jar.post(`${TICKETS}/~edit`, bulk);
  expect(await shown()).toEqual({ ...made, title: "Changed" });
});

test("who views as somebody gets no further on pages than they do", async () => {
  await using opened = await open();
  const { world } = opened;
  const pair = await world.viewing(RIGHTS);
  const { jar } = pair.viewer;
  expect((await jar.get(`${TICKETS}/1`)).status).toBe(404);
  expect((await jar.get(`${TICKETS}/1/~explain?user=1`)).status).not.toBe(200);
  const pages = [
    "/ui/users",
    "/ui/roles",
    "/ui/backups",
    "/ui/config",
    "/ui/account/api-keys",
    "/ui/account/second-factor",
  ];
  const shown = await Promise.all(pages.map(async (path) => (await jar.get(path)).status));
  expect(shown.filter((status) => status === 200)).toEqual([]);
});
