import { expect, test } from "bun:test";
import { type Files, plugin, TestApp } from "../../setup.ts";

/** A plugin whose tasks emit what they do. */
function taskPlugin(code: string, version = "1.0.0"): Files {
  return {
    "chores/plugin.json": { name: "chores", version },
    "chores/run.ts": `
      import { createRouter, hooks, jobs } from "xcore";
      ${code}
      export default createRouter().get("/", () => "${version}");
    `,
  };
}

const TICK = `jobs.cron("tick", "* * * * * *", async ({ name, dueAt }) => { await hooks.emit("ticked", { name, dueAt, of: "old" }); });`;
const RARE = `jobs.cron("rare", "0 0 1 1 *", async ({ name }) => { await hooks.emit("ran", { name }); });`;

const post = { method: "POST" };

/** Sends a POST as an administrator. */
async function send(app: TestApp, path: string) {
  const response = await app.fetch(path, { ...post, headers: (await app.admin()).headers });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

/** Reads a task until it is so. */
async function taskOf(app: TestApp, id: string, isSo = (_task: Record<string, unknown>) => true) {
  for (;;) {
    // oxlint-disable-next-line no-await-in-loop -- until it is so
    const { body } = await app.getAsAdmin("/system/tasks");
    const task = body.items.find((one: { id: string }) => one.id === id);
    if (task !== undefined && isSo(task)) return task;
  }
}

test("a task runs when it is due, and what comes of it is told", async () => {
  await using app = await TestApp.start({ plugins: taskPlugin(TICK) });
  const first = await app.after("ticked", () => {});
  const second = await app.after("ticked", () => {});
  expect(first.data.name).toBe("tick");
  expect(second.data.dueAt.getTime() % 1000).toBe(0);
  expect(second.data.dueAt - first.data.dueAt).toBeGreaterThanOrEqual(1000);
  const task = await taskOf(app, "chores:tick", ({ runs }) => Number(runs) >= 2);
  expect(task).toMatchObject({
    id: "chores:tick",
    plugin: "chores",
    name: "tick",
    expression: "* * * * * *",
    timezone: "UTC",
    failures: 0,
    skips: 0,
    last_error: null,
    next_run_at: expect.any(String),
    last_run_at: expect.any(String),
    last_duration_ms: expect.any(Number),
  });
});

test("a swap moves a task to the new generation, which runs no tick again", async () => {
  await using app = await TestApp.start({ plugins: taskPlugin(TICK) });
  await app.after("ticked", () => {});
  for (const of of ["second", "third"]) {
    // oxlint-disable-next-line no-await-in-loop -- one swap after another
    await app.after(
      "ticked",
      () => app.writePlugins(taskPlugin(TICK.replace("old", of))),
      ({ data }) => data.of === of,
    );
  }
  const due = app.events.filter(({ name }) => name === "ticked").map(({ data }) => data.dueAt.getTime());
  expect(new Set(due).size).toBe(due.length);
}, 120_000);

test("a disabled plugin's task doesn't run, and a task that is gone is inactive", async () => {
  await using app = await TestApp.start({ plugins: taskPlugin(RARE) });
  await taskOf(app, "chores:rare", ({ state }) => state === "scheduled");
  const { headers } = await app.admin();
  await app.fetch("/system/plugins/chores/disable", { method: "PUT", headers });
  await taskOf(app, "chores:rare", ({ state, next_run_at: next }) => state === "inactive" && next === null);
  const { status, body } = await send(app, "/system/tasks/chores:rare/run");
  expect([status, body["code"]]).toEqual([409, "task_not_here"]);
});

test("a task is run now, paused and resumed by whoever may, and the audit log says so", async () => {
  await using app = await TestApp.start({ plugins: taskPlugin(RARE) });
  await taskOf(app, "chores:rare", ({ state }) => state === "scheduled");
  const { data } = await app.after("ran", async () => {
    expect((await send(app, "/system/tasks/chores:rare/run")).status).toBe(202);
  });
  expect(data).toEqual({ name: "rare" });
  await taskOf(app, "chores:rare", ({ runs }) => runs === 1);
  const paused = await send(app, "/system/tasks/chores:rare/pause");
  expect([paused.status, paused.body["state"], paused.body["next_run_at"]]).toEqual([200, "paused", null]);
  const resumed = await send(app, "/system/tasks/chores:rare/resume");
  expect([resumed.status, resumed.body["state"]]).toEqual([200, "scheduled"]);
  for (const verb of ["run", "pause", "resume"]) {
    // oxlint-disable-next-line no-await-in-loop
    expect((await send(app, `/system/tasks/chores:none/${verb}`)).status).toBe(404);
  }
  const { body } = await app.getAsAdmin("/admin/audit");
  const entries = body.items.filter(({ target_type: type }: { target_type: string }) => type === "task");
  expect(entries.map((one: { action: string; target_id: string }) => [one.action, one.target_id])).toEqual([
    ["task.resumed", "chores:rare"],
    ["task.paused", "chores:rare"],
    ["task.run", "chores:rare"],
  ]);
});

test("a task that doesn't overlap isn't run twice at once by hand either", async () => {
  const held = `
    let end;
    jobs.cron("held", "0 0 1 1 *", () => new Promise((resolve) => { end = resolve; hooks.emit("began"); }));
    hooks.on("let.go", () => end());`;
  await using app = await TestApp.start({ plugins: taskPlugin(held) });
  await taskOf(app, "chores:held", ({ state }) => state === "scheduled");
  await app.after("began", () => send(app, "/system/tasks/chores:held/run"));
  expect(await taskOf(app, "chores:held")).toMatchObject({ state: "running" });
  const { status, body } = await send(app, "/system/tasks/chores:held/run");
  expect([status, body["code"]]).toEqual([409, "task_running"]);
  await app.app.hooks.emit("let.go");
  await taskOf(app, "chores:held", ({ runs, state }) => runs === 1 && state === "scheduled");
});

test("what a task throws is logged with its plugin and name, mapped to its source", async () => {
  const failing = `jobs.cron("fails", "0 0 1 1 *", () => { throw new RangeError("too much"); });`;
  await using app = await TestApp.start({ plugins: taskPlugin(failing) });
  await taskOf(app, "chores:fails", ({ state }) => state === "scheduled");
  await send(app, "/system/tasks/chores:fails/run");
  const task = await taskOf(app, "chores:fails", ({ runs }) => runs === 1);
  expect(task).toMatchObject({
    failures: 1,
    last_error: "RangeError: too much",
    last_failed_at: expect.any(String),
  });
  const line = (await app.log("app")).split("\n").find((one) => one.includes("task failed")) ?? "{}";
  expect(JSON.parse(line)).toMatchObject({ level: "error", plugin: "chores", task: "chores:fails" });
  expect(line).toContain("chores/run.ts");
});

test.each([
  [`jobs.cron("a", "0 0 31 2 *", () => {});`, '"0 0 31 2 *" never comes: no year has such a day'],
  [`jobs.cron("a", "every day", () => {});`, '"every day" isn\'t a cron expression: expected five parts'],
  [
    `jobs.cron("a", "61 * * * *", () => {});`,
    '"61 * * * *" isn\'t a cron expression: its minute is out of range',
  ],
  [`jobs.cron("a", "2030-01-01T00:00:00", () => {});`, "isn't a cron expression"],
  [`jobs.cron("a", "0 3 * * *", () => {}, { timezone: "Mars/Base" });`, '"Mars/Base" isn\'t a time zone'],
  [
    `jobs.cron("a", "0 3 * * *", () => {}, { timeZone: "UTC" });`,
    'no option "timeZone", did you mean "timezone"?',
  ],
  [`jobs.cron("a b", "0 3 * * *", () => {});`, "its name must be 1 to 64 letters"],
  [`jobs.cron("a", "0 3 * * *");`, "its third argument must be a function"],
  [
    `jobs.cron("a", "0 3 * * *", () => {}); jobs.cron("a", "0 4 * * *", () => {});`,
    "there is one of this name already",
  ],
])("%s fails the plugin, with its name and the place", async (code, message) => {
  await using app = await TestApp.start({ plugins: taskPlugin(code) });
  const { body } = await app.getAsAdmin("/system/plugins/chores");
  expect(body.failure.message).toContain('Cannot schedule the task "a');
  expect(body.failure.message).toContain('of plugin "chores"');
  expect(body.failure.message).toContain(message);
  expect(JSON.stringify(body.failure)).toContain("chores/run.ts");
});

test("nothing of the scheduler is loaded before there is a task", async () => {
  await using app = await TestApp.start({ plugins: plugin("plain", '.get("/", () => 1)') });
  await app.getAsAdmin("/system/tasks");
  expect(app.app.tasks.isLoaded).toBe(false);
});

test("closing waits for a task that runs, and notes one that takes too long", async () => {
  const slow = `
    jobs.cron("slow", "0 0 1 1 *", async ({ signal }) => {
      await hooks.emit("began");
      await new Promise((resolve) => signal.addEventListener("abort", () => resolve()));
      await hooks.emit("told");
    });`;
  await using app = await TestApp.start({ plugins: taskPlugin(slow) });
  await taskOf(app, "chores:slow", ({ state }) => state === "scheduled");
  await app.after("began", () => send(app, "/system/tasks/chores:slow/run"));
  const controller = new AbortController();
  const closed = app.app.tasks.close(controller.signal);
  expect(Bun.peek.status(closed)).toBe("pending");
  await app.after("told", () => controller.abort());
  await closed;
  const task = await taskOf(app, "chores:slow");
  expect(task).toMatchObject({ failures: 1, last_error: "Cut off: the server stopped" });
});
