import { expect, test } from "bun:test";
import { Crm, setupTables, testCrm } from "./crm.ts";

const RUN = `
  import { eq, sql } from "drizzle-orm";
  import { createRouter, db, hooks, resource } from "xcore";
  import { id, references, table, timestamp, varchar, users } from "xcore/schema";
  export const projects = table("crm_projects", {
    id: id(),
    name: varchar(50).notNull(),
    owner_id: references(() => users.id).notNull(),
    deleted_at: timestamp(),
  });
  export const tasks = table("crm_tasks", {
    id: id(),
    name: varchar(50).notNull(),
    project_id: references(() => projects.id).notNull(),
  });
  const told = [];
  for (const verb of ["created", "updated", "deleting", "deleted", "restoring", "restored"])
    hooks.on("crm.project." + verb, ({ data: { before, after } }) => {
      told.push([verb, before && before.deleted_at !== null, after && after.deleted_at]);
    });
  export default createRouter()
    .use(resource(projects, {
      softDelete: true,
      search: ["name"],
      relations: { tasks: tasks.project_id },
      expand: ["tasks"],
      rows: ({ user, can }) => (can("projects:all") ? undefined : eq(projects.owner_id, user.id)),
      create: { owner_id: ({ user }) => user.id },
    }))
    .use(resource(tasks, { search: ["project.name"], expand: ["project"] }))
    .get("/told", () => told);
  ${setupTables([
    (key, moment) =>
      `create table crm_projects (id ${key}, name varchar(50) not null, owner_id bigint not null, deleted_at ${moment})`,
    (key) => `create table crm_tasks (id ${key}, name varchar(50) not null, project_id bigint not null)`,
  ])}
`;
const ALL = ["projects", "tasks"].flatMap((name) => [`${name}:read`, `${name}:write`]);

testCrm(
  "a row that is deleted softly is there to nobody, until it is restored",
  async (crm) => {
    const ada = await crm.user("ada@example.com", [...ALL, "projects:delete"]);
    const bob = await crm.user("bob@example.com", [...ALL, "projects:all"]);
    const cy = await crm.user("cy@example.com", [...ALL, "projects:delete"]);
    const made = await crm.send(ada, "POST", "/crm/projects", { name: "Bridge" });
    expect(made.body).toEqual({ id: 1, name: "Bridge", owner_id: ada.id, deleted_at: null });
    await crm.send(ada, "POST", "/crm/projects", { name: "Tower" });
    await crm.send(ada, "POST", "/crm/tasks", { name: "Draw", project_id: 1 });
    const set = await crm.send(ada, "PATCH", "/crm/projects/1", { deleted_at: "2026-01-01T00:00:00Z" });
    expect([set.status, set.body.errors[0].path]).toEqual([422, "/body/deleted_at"]);
    const tag = { "if-match": made.headers.get("etag") };
    expect((await crm.send(cy, "DELETE", "/crm/projects/1")).status).toBe(404);
    expect((await crm.send(ada, "DELETE", "/crm/projects/1", undefined, tag)).status).toBe(204);

    const names = async (user: typeof ada, query: string) => {
      const { status, body } = await crm.send(user, "GET", `/crm/projects?sort=id${query}`);
      return status === 200 ? body.items.map(({ name }: { name: string }) => name) : status;
    };
    expect(await names(ada, "")).toEqual(["Tower"]);
    expect(await names(bob, "&q=bridge")).toEqual([]);
    expect(await names(ada, "&filter=deleted_at != null")).toEqual([]);
    expect(await names(ada, "&deleted=only")).toEqual(["Bridge"]);
    expect(await names(ada, "&deleted=with")).toEqual(["Bridge", "Tower"]);
    expect(await names(cy, "&deleted=only")).toEqual([]);
    expect(await names(bob, "&deleted=only")).toBe(403);
    expect(await names(ada, "&deleted=all")).toBe(422);
    for (const [method, body] of [["GET"], ["PATCH", { name: "x" }], ["DELETE"]] as const) {
      // oxlint-disable-next-line no-await-in-loop -- one after another
      expect((await crm.send(ada, method, "/crm/projects/1", body)).status).toBe(404);
    }
    // Neither is it there by another table.
    expect((await crm.send(ada, "GET", "/crm/tasks/1?expand=project")).body.project).toBeNull();
    expect((await crm.send(ada, "GET", '/crm/tasks?filter=project.name = "Bridge"')).body.total).toBe(0);
    expect((await crm.send(ada, "GET", "/crm/tasks?q=bridge")).body.total).toBe(0);

    expect((await crm.send(bob, "POST", "/crm/projects/1/restore")).status).toBe(403);
    expect((await crm.send(cy, "POST", "/crm/projects/1/restore")).status).toBe(404);
    expect((await crm.send(ada, "POST", "/crm/projects/1/restore", undefined, tag)).status).toBe(412);
    const restored = await crm.send(ada, "POST", "/crm/projects/1/restore?expand=tasks");
    expect([restored.status, restored.body]).toMatchObject([
      200,
      { id: 1, name: "Bridge", deleted_at: null, tasks: [{ name: "Draw" }] },
    ]);
    expect(restored.headers.get("etag")).toBe(made.headers.get("etag"));
    expect((await crm.send(ada, "POST", "/crm/projects/1/restore")).status).toBe(404);
    expect(await names(ada, "")).toEqual(["Bridge", "Tower"]);
    expect((await crm.send(null, "GET", "/crm/told")).body.slice(2)).toEqual([
      ["deleting", false, null],
      ["deleted", false, null],
      ["restoring", true, null],
      ["restored", true, null],
    ]);
  },
  RUN,
);

test("softDelete needs a column that says when", async () => {
  const refused = [
    ["companies", "true", '"softDelete" needs a column that may be null, deleted_at: timestamp()'],
    ["deals", '"created_at"', '"softDelete" needs a column that may be null, created_at: timestamp()'],
  ];
  for (const [table, value, message] of refused) {
    const run = `
      import { createRouter, resource } from "xcore";
      import { companies, deals } from "./schema.ts";
      export default createRouter().use(resource(${table}, { softDelete: ${value} }));
    `;
    // oxlint-disable-next-line no-await-in-loop -- one server after another
    await using crm = await Crm.start({ run });
    // oxlint-disable-next-line no-await-in-loop
    const plugin = await crm.send(await crm.app.admin(), "GET", "/system/plugins/crm");
    expect(plugin.body.failure?.message).toContain(message);
  }
});
