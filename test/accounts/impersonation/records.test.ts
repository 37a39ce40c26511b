import { afterAll, expect, test } from "bun:test";
import { TestApp } from "../../setup.ts";
import { type CookieJar, SECURITY } from "../browser/browser.ts";
import { codeOf, World } from "./world.ts";

const RUN = `
  import { sql } from "drizzle-orm";
  import { createRouter, db, resource } from "xcore";
  import { id, table, varchar } from "xcore/schema";
  const notes = table("desk_notes", { id: id(), title: varchar(50).notNull() });
  export default createRouter().use(resource(notes, { history: true, import: true, comments: true, attachments: true }));
  export const setup = () =>
    db.execute(sql.raw("create table desk_notes (id integer primary key autoincrement, title varchar(50) not null)"));
`;
const RIGHTS = ["notes:read", "notes:write", "notes:delete"];
const app = await TestApp.start({
  plugins: { "desk/plugin.json": '{ "name": "desk", "version": "1.0.0" }', "desk/run.ts": RUN },
  config: { security: SECURITY },
});
afterAll(() => app[Symbol.asyncDispose]());
const world = new World(app);

test("the history of a row, and its page, name both", async () => {
  const { viewer, user } = await world.viewing(RIGHTS);
  const made = await viewer.jar.send("POST", "/desk/notes", { title: "By two" });
  const { id } = (await made.json()) as { id: number };
  expect((await user.jar.send("PATCH", `/desk/notes/${id}`, { title: "By one" })).status).toBe(200);
  const history = (await (await user.jar.fetch(`/desk/notes/${id}/history`)).json()) as { items: unknown[] };
  const actor = { id: user.id, email: user.email, full_name: null };
  expect(history.items).toMatchObject([
    { verb: "update", actor_id: user.id, actor, viewer_id: null, viewer: null },
    {
      verb: "create",
      actor_id: user.id,
      actor,
      viewer_id: viewer.id,
      viewer: { id: viewer.id, email: viewer.email },
    },
  ]);
  const page = await (await user.jar.get(`/ui/records/desk/notes/${id}/~history`)).text();
  expect(page.split(`by ${viewer.email}, who viewed as them`).length).toBe(2);
});

test("so do comments, attachments and what has happened with a row, whoever has changed a comment last", async () => {
  const { viewer, user } = await world.viewing(RIGHTS);
  const made = await user.jar.send("POST", "/desk/notes", { title: "Ours" });
  const { id } = (await made.json()) as { id: number };
  const at = `/desk/notes/${id}`;
  const send = async (jar: CookieJar, method: string, path: string, body: unknown) =>
    (await jar.send(method, at + path, body)).json() as Promise<{ id: number }>;
  const both = { author_id: user.id, viewer_id: viewer.id, viewer: { email: viewer.email } };
  const alone = { author_id: user.id, viewer_id: null, viewer: null };
  const said = await send(viewer.jar, "POST", "/comments", { body: "By two" });
  expect(said).toMatchObject(both);
  expect(await send(user.jar, "PATCH", `/comments/${said.id}`, { body: "By both" })).toMatchObject(both);
  const own = await send(user.jar, "POST", "/comments", { body: "By one" });
  expect(own).toMatchObject(alone);
  const attach = (jar: CookieJar, name: string) => {
    const body = new FormData();
    body.append("file", new File(["text"], name, { type: "text/plain" }));
    return jar.fetch(`${at}/attachments`, {
      method: "POST",
      headers: { "sec-fetch-site": "same-origin" },
      body,
    });
  };
  expect(await (await attach(viewer.jar, "two.txt")).json()).toMatchObject(both);
  expect(await (await attach(user.jar, "one.txt")).json()).toMatchObject(alone);
  const activity = (await (await user.jar.fetch(`${at}/activity`)).json()) as { items: unknown[] };
  const viewed = { actor: { email: user.email }, viewer: { email: viewer.email } };
  expect(activity.items).toHaveLength(5);
  expect(activity.items.filter((item) => Bun.deepMatch(viewed, item))).toHaveLength(2);
  const count = async () =>
    (await (await user.jar.get(`/ui/records/desk/notes/${id}`)).text()).split(
      `by ${viewer.email}, who viewed as them`,
    ).length - 1;
  expect(await count()).toBe(2);
  expect(await send(viewer.jar, "PATCH", `/comments/${own.id}`, { body: "By two now" })).toMatchObject(both);
  expect(await count()).toBe(3);
});

test("no import goes on in the background after a view", async () => {
  const { viewer, user } = await world.viewing(RIGHTS);
  const body = "title\nFirst\n";
  const headers = { "content-type": "text/csv", prefer: "respond-async", "sec-fetch-site": "same-origin" };
  const init = { method: "POST", body, headers };
  expect(await codeOf(await viewer.jar.fetch("/desk/notes/import", init))).toEqual([403, "viewing_as_user"]);
  expect((await user.jar.fetch("/desk/notes/import", init)).status).toBe(202);
  const { prefer: _, ...atOnce } = headers;
  expect((await viewer.jar.fetch("/desk/notes/import", { ...init, headers: atOnce })).status).toBe(200);
});
