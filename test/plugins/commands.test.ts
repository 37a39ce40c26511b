import { expect, test } from "bun:test";
import { type Files, TestApp } from "../setup.ts";

const commander = (code: string): Files => ({
  "blog/plugin.json": { name: "blog", version: "1.0.0" },
  "blog/run.ts": `import { cli } from "xcore";\nconst run = () => "ran";\n${code}\n`,
});

test("commands belong to the generation that registers them", async () => {
  await using app = await TestApp.start({ plugins: commander('cli.command("one", "One", run);') });
  const names = () => app.app.plugins.commands().map(({ plugin, name }) => `${plugin} ${name}`);
  expect(names()).toEqual(["blog one"]);
  await app.after("plugin.reloaded", () =>
    app.writePlugins(commander('cli.command("two <file>", "Two", run);')),
  );
  expect(names()).toEqual(["blog two"]);
  await app.after("plugin.failed", () =>
    app.writePlugins(commander('cli.command("three", "", run); throw 1;')),
  );
  expect(names()).toEqual(["blog two"]);
  const undo = 'const undo = cli.command("four", "Four", run); undo(); cli.command("four", "Again", run);';
  await app.after("plugin.reloaded", () => app.writePlugins(commander(undo)));
  expect(app.app.plugins.commands()).toMatchObject([{ name: "four", description: "Again" }]);
  await app.after("plugin.unloaded", () => app.folder.remove("plugins/blog"));
  expect(names()).toEqual([]);
});

test.each([
  [
    'cli.command("Import", "", run)',
    'Cannot add the command "Import": it must begin with a name such as "import"',
  ],
  ['cli.command("", "", run)', 'Cannot add the command "": it must begin with a name such as "import"'],
  [
    'cli.command("a file", "", run)',
    'Cannot add the command "a file": expected <argument> or [argument], found "file"',
  ],
  [
    'cli.command("a <b...> <c>", "", run)',
    'Cannot add the command "a <b...> <c>": "<b...>" takes all that follows, so it must be the last',
  ],
  [
    'cli.command("a [b] <c>", "", run)',
    'Cannot add the command "a [b] <c>": "<c>" is required, so it must come before "[b]"',
  ],
  [
    'cli.command("a <b> [b]", "", run)',
    'Cannot add the command "a <b> [b]": "b" stands for two things in it',
  ],
  [
    'cli.command("a <dry-run>", "", run, { options: { "--dry-run": "" } })',
    'Cannot add the command "a <dry-run>": "dryRun" stands for two things in it',
  ],
  [
    'cli.command("a", "", run, { options: { "--config <f>": "" } })',
    'Cannot add the option "--config <f>": every command of xcore has a "--config"',
  ],
  [
    'cli.command("a", "", run, { options: { "-h, --hot": "" } })',
    'Cannot add the option "-h, --hot": every command of xcore has a "-h"',
  ],
  [
    'cli.command("a", "", run, { options: { dry: "" } })',
    'Cannot add the option "dry": write it as "--dry-run", "--limit <n>" or "-l, --limit <n>"',
  ],
  ['cli.command("a", "")', 'Cannot add the command "a": its third argument must be a function'],
  [
    'cli.command("a", "", run); cli.command("a <b>", "", run)',
    'Cannot add the command "a <b>": there is a command "a" already',
  ],
])("%s fails the load", async (code, message) => {
  await using app = await TestApp.start({ plugins: commander(code) });
  const { failure } = (await app.get("/system/plugins/blog")).body;
  expect(failure).toMatchObject({ stage: "import", message: `TypeError: ${message}`, line: 3 });
});
