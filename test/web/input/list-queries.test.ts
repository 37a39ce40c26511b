import { expect, test } from "bun:test";
import { TestApp } from "../../setup.ts";

const RUN = `import { t } from "elysia";
import { createRouter, page } from "xcore";
export default createRouter()
  .get("/list", ({ query }) => query, { query: page })
  .get("/wider", ({ query }) => query, { query: t.Object({ ...page.properties, q: t.Optional(t.String()) }) })
  .get("/open", ({ query }) => query, { query: t.Object({ ...page.properties }, { additionalProperties: true }) })
  .get("/other", ({ query }) => query, { query: t.Object({ q: t.Optional(t.String()) }) });
`;

test("a parameter that a list doesn't know is refused, with what was meant", async () => {
  await using app = await TestApp.start({
    plugins: { "x/plugin.json": { name: "x", version: "1.0.0" }, "x/run.ts": RUN },
  });
  const { headers } = await app.admin();
  const lists = ["/x/list", "/x/wider", "/admin/users", "/admin/audit", "/auth/sessions", "/auth/api_keys"];
  for (const path of lists) {
    const response = await app.fetch(`${path}?filter=1&per_pag=5`, { headers });
    const answer = (await response.json()) as { errors?: unknown };
    expect({ path, status: response.status, errors: answer.errors }).toEqual({
      path,
      status: 422,
      errors: [
        { path: "/query/filter", code: "unknown", message: "Unknown" },
        { path: "/query/per_pag", code: "unknown", message: 'Unknown, did you mean "per_page"?' },
      ],
    });
    expect((await app.fetch(`${path}?per_page=5`, { headers })).status).toBe(200);
  }
  expect((await app.get("/x/wider?q=a")).body).toMatchObject({ q: "a" });
  expect((await app.get("/x/open?more=1")).body).toMatchObject({ more: "1" });
  expect((await app.get("/x/other?more=1")).body).toEqual({});
});
