import { expect, setDefaultTimeout, test } from "bun:test";
import { readdirSync } from "node:fs";
import { type Files, TestFolder } from "../setup.ts";
import { xcore, XcoreServer } from "./xcore-process.ts";

setDefaultTimeout(120_000);

const PROJECT: Files = {
  "plugins/blog/plugin.json": { name: "blog", version: "1.0.0" },
  "plugins/blog/run.ts": `import { jobs, log } from "xcore";
jobs.cron("recount", "0 3 * * *", ({ name }) => { log.info({ task: name }, "recounted"); }, { timezone: "Europe/Paris" });
jobs.cron("fails", "0 0 1 1 *", () => { throw new RangeError("no room"); });
`,
};

test("xcore tasks lists scheduled tasks, runs them, and pauses and resumes them", async () => {
  await using folder = await TestFolder.create(PROJECT);
  const none = await xcore(folder, ["tasks", "list", "--json"]);
  expect([none.code, JSON.parse(none.stdout)]).toEqual([0, []]);

  // A server enters them, and needn't run for what follows.
  {
    await using server = await XcoreServer.start(folder);
    const run = await xcore(folder, ["tasks", "run", "blog:recount"]);
    expect([run.code, run.stdout]).toEqual([0, "blog:recount has run\n"]);
    expect(run.stderr).toContain("recounted");
    server.kill("SIGTERM");
    expect(await server.exited).toBe(0);
  }
  const failed = await xcore(folder, ["tasks", "run", "blog:fails"]);
  expect(failed.code).toBe(1);
  expect(failed.stderr).toContain('Cannot finish task "blog:fails": RangeError: no room');

  const paused = await xcore(folder, ["tasks", "pause", "blog:recount"]);
  expect([paused.code, paused.stdout]).toEqual([0, "blog:recount is paused now\n"]);
  const { stdout } = await xcore(folder, ["tasks", "list"]);
  const lines = stdout
    .trimEnd()
    .split("\n")
    .map((line) => line.split(/ {2,}/));
  expect(lines).toEqual([
    ["TASK", "SCHEDULE", "STATE", "NEXT RUN", "LAST RUN", "RUNS/FAILED", "LAST ERROR"],
    [
      "blog:fails",
      "0 0 1 1 *",
      "scheduled",
      expect.any(String),
      expect.any(String),
      "1/1",
      "RangeError: no room",
    ],
    ["blog:recount", "0 3 * * * Europe/Paris", "paused", "-", expect.any(String), "1/0", "-"],
  ]);
  expect((await xcore(folder, ["tasks", "resume", "blog:recount"])).stdout).toBe(
    "blog:recount is resumed now\n",
  );

  const unknown = await xcore(folder, ["tasks", "pause", "blog:other"]);
  expect([unknown.code, unknown.stdout]).toEqual([1, ""]);
  expect(unknown.stderr).toContain('Cannot pause task "blog:other": there is none');
  expect((await xcore(folder, ["tasks", "run", "blog:other"])).code).toBe(1);
  expect((await xcore(folder, ["tasks", "run"])).code).toBe(2);
});

test("xcore tasks run has tasks of the core run too, with a server and without", async () => {
  await using folder = await TestFolder.create({});
  const unscheduled = await xcore(folder, ["tasks", "run", "core:backup"]);
  expect(unscheduled.code).toBe(1);
  expect(unscheduled.stderr).toContain(
    'Cannot run task "core:backup": backups.schedule isn\'t set; `xcore db backup` makes one without',
  );
  const unknown = await xcore(folder, ["tasks", "run", "core:other"]);
  expect([unknown.code, unknown.stderr]).toEqual([1, expect.stringContaining("the core has no such task")]);

  await folder.write({ "config.json": { backups: { schedule: "30 2 * * *" } } });
  const run = (task: string) => xcore(folder, ["tasks", "run", `core:${task}`]);
  const isMade = () =>
    readdirSync(`${folder.path}/data/backups`).filter((name) => name.startsWith("scheduled-")).length;
  expect(await run("backup")).toMatchObject({ code: 0, stdout: "core:backup has run\n" });
  expect(isMade()).toBe(1);
  await using server = await XcoreServer.start(folder);
  expect(await run("backup")).toMatchObject({ code: 0 });
  expect(isMade()).toBe(2);
  expect((await server.fetch("/health")).status).toBe(200);
  expect(await run("prune_audit")).toMatchObject({ code: 0, stdout: "core:prune_audit has run\n" });
});

test("a server that is told to stop waits for a task that runs, and begins no other", async () => {
  const code = `import { jobs, log } from "xcore";
jobs.cron("slow", "* * * * * *", async () => { log.info("began"); await Bun.sleep(1500); log.info("finished"); }, { overlap: true });
`;
  await using folder = await TestFolder.create({
    "plugins/slow/plugin.json": { name: "slow", version: "1.0.0" },
    "plugins/slow/run.ts": code,
  });
  await using server = await XcoreServer.start(folder);
  await server.waitFor(/began/);
  server.kill("SIGTERM");
  expect(await server.exited).toBe(0);
  const count = (text: string): number => server.output.split(text).length - 1;
  expect(count('"msg":"finished"')).toBe(count('"msg":"began"'));
});

test("instances share the moments of a task, and one that is killed leaves them to the other", async () => {
  const code = `import { jobs } from "xcore";
jobs.cron("beat", "* * * * * *", ({ dueAt }) => console.log("due " + dueAt.toISOString()));
`;
  await using folder = await TestFolder.create({
    "plugins/heart/plugin.json": { name: "heart", version: "1.0.0" },
    "plugins/heart/run.ts": code,
  });
  await using one = await XcoreServer.start(folder);
  await using other = await XcoreServer.start(folder);
  while (dueIn(one.output + other.output).length < 4) {
    // oxlint-disable-next-line no-await-in-loop -- whichever it is that runs the next
    await Promise.race([one.after(() => {}, /due /), other.after(() => {}, /due /)]);
  }
  one.kill("SIGKILL");
  await one.exited;
  await other.after(() => {}, /due /);
  const due = dueIn(one.output + other.output);
  expect(new Set(due).size).toBe(due.length);
});

function dueIn(text: string): string[] {
  return [...text.matchAll(/due ([\d:.TZ-]+)/g)].map(([, at = ""]) => at);
}
