import { join } from "node:path";
import { expect, test } from "bun:test";
import { makeDocuments } from "../build-docs.ts";
import { createProgram } from "../src/cli/program.ts";
import { configKeys } from "../src/config/schema-node.ts";

const DOCS = join(import.meta.dir, "../docs");
const documents = await makeDocuments();

test.each([...documents])("docs/%s is what `bun run docs` makes of the code", async (name, made) => {
  const written = (await Bun.file(join(DOCS, name)).text()).replaceAll("\r\n", "\n");
  const [differing = -1] =
    made
      .split("\n")
      .entries()
      .find(([at, line]) => line !== written.split("\n")[at]) ?? [];
  expect([differing, made.split("\n")[differing]]).toEqual([differing, written.split("\n")[differing]]);
  expect(written.length).toBe(made.length);
});

test("the references leave nothing out", async () => {
  for (const { path } of configKeys())
    expect(documents.get("configuration.md")).toContain(`\n| \`${path.join(".")}\` |`);
  const context = { version: "", cwd: DOCS, env: {}, print() {}, warn() {} };
  const program = await createProgram(context, ["--help"]);
  for (const command of program.commands) {
    if (command.name() === "test-host") continue; // is hidden
    expect(documents.get("cli.md")).toContain(`\n## xcore ${command.name()}\n`);
    for (const sub of command.commands)
      expect(documents.get("cli.md")).toContain(`\n### xcore ${command.name()} ${sub.name()}\n`);
  }
  expect(documents.get("cli.md")).not.toContain("test-host");
  // What is declared in it, and what it passes on.
  for (const name of [
    "createRouter",
    "resource",
    "hooks",
    "cached",
    "db",
    "jobs",
    "paginate",
    "AppError",
    "HookEvents",
    "User",
  ])
    expect(documents.get("xcore.md")).toContain(`\n#### ${name}\n`);
  for (const name of ["table", "references", "createTestHost"])
    expect(documents.get("xcore.md")).toContain(name);
  expect(documents.get("api.md")).toContain("\n### POST /auth/login\n");
});

test("docs/hooks.md lists every event of the core", async () => {
  const source = await Bun.file(join(import.meta.dir, "../src/hooks/events.ts")).text();
  const listed = await Bun.file(join(DOCS, "hooks.md")).text();
  const events = [...source.matchAll(/^  "([a-z_]+\.[a-z_]+)":/gm)].map(([, name = ""]) => name);
  expect(events.length).toBeGreaterThan(15);
  expect(events.filter((name) => !listed.includes(`\n| \`${name}\` |`))).toEqual([]);
});

test("declarations in docs/xcore.md are whole", () => {
  const transpiler = new Bun.Transpiler({ loader: "ts" });
  const blocks = [...(documents.get("xcore.md") ?? "").matchAll(/^```ts\n([^]*?)^```$/gm)];
  expect(blocks.length).toBeGreaterThan(100);
  for (const [, code = ""] of blocks) expect(() => transpiler.transformSync(code)).not.toThrow();
});
