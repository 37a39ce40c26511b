import { expect, test } from "bun:test";
import { plugin, TestApp } from "../setup.ts";

const home = async (app: TestApp) => (await app.fetch("/")).text();

test("the home page lists the plugins that serve, and says what to do next", async () => {
  await using app = await TestApp.start({ config: { app: { name: "<Shop>" } } });
  const empty = await home(app);
  expect(empty).toContain("<h1>&lt;Shop&gt;</h1>");
  expect(empty).toContain("<p>None is served yet.</p>");
  expect(empty).not.toContain("0.0.0-test"); // strangers need no version
  for (const text of ["xcore plugin new", "xcore user create", 'href="docs"']) expect(empty).toContain(text);
  await app.writePlugins({
    ...plugin("hello", '.get("/", () => 1)', { api_prefix: "/api/hello", description: "<b>secret</b>" }),
    ...plugin("off", '.get("/", () => 1)', { active: false }),
    ...plugin("broken", ".nothing()"),
  });
  await app.app.plugins.refresh(null);
  const full = await home(app);
  expect(full).toContain('<ul><li><a href="api/hello">hello</a> <code>/api/hello</code></li></ul>');
  for (const text of ["off", "broken", "secret"]) expect(full).not.toContain(text);
});
