import { afterAll, expect, test } from "bun:test";
import { TestApp } from "../../setup.ts";
import { SECURITY } from "../browser/browser.ts";
import { codeOf, World } from "./world.ts";

const RUN = `
  import { sql } from "drizzle-orm";
  import { createRouter, db, resource } from "xcore";
  import { id, table, varchar } from "xcore/schema";
  const notes = table("desk_notes", { id: id(), title: varchar(50).notNull() });
  export default createRouter().use(resource(notes, { history: true, import: true }));
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
