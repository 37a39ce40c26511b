import { expect, setDefaultTimeout, test } from "bun:test";
import { plugin, TestFolder } from "../../setup.ts";
import { xcore, XcoreServer } from "../xcore-process.ts";

setDefaultTimeout(120_000);

const FILES = {
  ...Object.fromEntries(
    Object.entries(plugin("chores", '.get("/", () => 1)')).map(([name, text]) => [`plugins/${name}`, text]),
  ),
  "plugins/chores/run.ts": `
    import { t } from "elysia";
    import { createRouter, jobs } from "xcore";
    jobs.define("print", ({ payload }) => console.log(\`printed \${payload.text}\`), {
      payload: t.Object({ text: t.String() }),
    });
    export default createRouter().get("/", () => 1);
  `,
};

test("jobs are enqueued, listed, shown, cancelled and deleted by commands", async () => {
  await using folder = await TestFolder.create(FILES);
  const run = async (...args: string[]) => {
    const { code, stdout, stderr } = await xcore(folder, ["jobs", ...args]);
    return { code, stdout, stderr };
  };
  const made = await run("run", "chores:print", "--payload", '{"text":"a"}', "--delay", "3600");
  expect(made.stdout).toStartWith("chores:print is enqueued as ");
  const id = made.stdout.trim().split(" ").at(-1) ?? "";
  expect((await run("list")).stdout).toContain(`${id}  chores:print  delayed  0`);
  expect(JSON.parse((await run("list", "--state", "dead", "--json")).stdout)).toEqual([]);
  const shown = JSON.parse((await run("show", id, "--json")).stdout) as Record<string, unknown>;
  expect(shown).toMatchObject({ id, state: "delayed", payload: { text: "a" } });
  expect((await run("retry", id)).stdout).toBe(`${id} waits to be run again\n`);
  expect((await run("cancel", id)).stdout).toBe(`${id} is cancelled\n`);
  expect((await run("cancel", id)).stdout).toBe(`${id} is deleted\n`);
  const gone = await run("show", id);
  expect(gone).toMatchObject({ code: 1, stderr: expect.stringContaining("there is none") });
  const wrong = await run("run", "print", "--payload", '{"text":7}');
  expect(wrong).toMatchObject({ code: 1, stderr: expect.stringContaining("payload/text") });
  const unknown = await run("run", "nope");
  expect(unknown).toMatchObject({ code: 1, stderr: expect.stringContaining("chores:print") });
});

test("a running server runs what a command enqueues", async () => {
  await using folder = await TestFolder.create(FILES);
  await using server = await XcoreServer.start(folder);
  await xcore(folder, ["jobs", "run", "print", "--payload", '{"text":"hello"}']);
  await server.waitFor(/printed hello/);
});
