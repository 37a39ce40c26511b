import { expect } from "bun:test";
import { testAppOnEachBackend } from "./backends.ts";
import { manage, startWithJobs } from "./job-plugin.ts";

const WORK = `
  jobs.define("work", async ({ payload, step, progress }) => {
    await step("first", () => 1);
    progress(0.25, "1 of 4 rows");
    await hooks.emit("reached", payload);
    if (payload.fails) throw new Error("it was told to");
  }, { payload: t.Object({ n: t.Integer(), fails: t.Optional(t.Boolean()) }), attempts: 1, backoff: 0 });
  export default createRouter().get("/", () => 1);
`;

testAppOnEachBackend("a job is enqueued, shown, listed, retried and deleted over HTTP", async (config) => {
  await using app = await startWithJobs(config, WORK);
  let id = "";
  const failed = await app.after("job.failed", async () => {
    const response = await manage(app, "POST", "", { name: "chores:work", payload: { n: 1, fails: true } });
    expect(response.status).toBe(201);
    ({ id } = (await response.json()) as { id: string });
  });
  expect(failed.data).toMatchObject({ id, message: "it was told to", will_retry: false });
  const shown = (await app.getAsAdmin(`/system/jobs/${id}`)).body;
  expect(shown).toMatchObject({
    id,
    plugin: "chores",
    name: "work",
    state: "dead",
    attempt: 1,
    error: "it was told to",
    payload: { n: 1, fails: true },
    steps: [{ name: "first" }],
  });
  const { items, total } = (await app.getAsAdmin("/system/jobs?state=dead&plugin=chores")).body;
  expect(items.map((job: { id: string }) => job.id)).toEqual([id]);
  expect(total).toBe(1);
  expect((await app.getAsAdmin("/system/jobs?state=waiting")).body.items).toEqual([]);
  expect((await app.getAsAdmin("/system/jobs?nope=1")).status).toBe(422);
  await app.after("job.failed", () => manage(app, "POST", `/${id}/retry`));
  expect((await manage(app, "DELETE", `/${id}`)).status).toBe(204);
  expect((await app.getAsAdmin(`/system/jobs/${id}`)).status).toBe(404);
  const { body } = await app.getAsAdmin("/admin/audit?action=job.*&sort=id");
  expect(body.items.map(({ action }: { action: string }) => action)).toEqual([
    "job.enqueued",
    "job.retried",
    "job.deleted",
  ]);
});

testAppOnEachBackend("what can't be enqueued or retried is refused with the reason", async (config) => {
  await using app = await startWithJobs(config, WORK);
  const unknown = await manage(app, "POST", "", { name: "chores:nope" });
  expect(await unknown.json()).toMatchObject({ status: 404, detail: expect.stringContaining("chores:work") });
  const wrong = await manage(app, "POST", "", { name: "chores:work", payload: { n: "x" } });
  expect(await wrong.json()).toMatchObject({ status: 422, errors: [{ path: "/payload/n" }] });
  const none = await manage(app, "POST", `/${Bun.randomUUIDv7()}/retry`);
  expect(none.status).toBe(404);
  const done = await app.after("job.completed", () =>
    manage(app, "POST", "", { name: "work", payload: { n: 1 } }),
  );
  const again = await manage(app, "POST", `/${done.data.id}/retry`);
  expect(await again.json()).toMatchObject({ status: 409, code: "conflict" });
  const delayed = await manage(app, "POST", "", { name: "work", payload: { n: 1 }, delay: 3600 });
  const { id } = (await delayed.json()) as { id: string };
  await app.after("job.completed", () => manage(app, "POST", `/${id}/retry`));
});

testAppOnEachBackend("a running job is cancelled, and its handler told", async (config) => {
  await using app = await startWithJobs(
    config,
    `
    jobs.define("long", ({ signal, id }) => new Promise(() => {
      signal.addEventListener("abort", () => void hooks.emit("told", signal.reason.message));
      void hooks.emit("begun", id);
    }));
    export default createRouter().get("/", () => 1);
  `,
  );
  const begun = await app.after("begun", () => manage(app, "POST", "", { name: "long" }));
  const told = await app.after("told", () => manage(app, "DELETE", `/${begun.data}`));
  expect(told.data).toBe("The job was cancelled");
  expect((await app.getAsAdmin(`/system/jobs/${begun.data}`)).body.state).toBe("cancelled");
});

testAppOnEachBackend("progress is told as server-sent events until the job has ended", async (config) => {
  await using app = await startWithJobs(
    config,
    `
    const gate = Promise.withResolvers();
    hooks.on("go", () => gate.resolve());
    jobs.define("rows", async ({ progress }) => {
      progress(0.4, "120 of 300 rows");
      await gate.promise;
      progress(1);
    });
    export default createRouter().get("/", () => 1);
  `,
  );
  const made = await manage(app, "POST", "", { name: "rows" });
  const { id } = (await made.json()) as { id: string };
  const { headers } = await app.admin();
  const response = await app.fetch(`/system/jobs/${id}/events`, { headers });
  expect(response.headers.get("content-type")).toContain("text/event-stream");
  let text = "";
  for await (const piece of response.body as unknown as AsyncIterable<Uint8Array>) {
    text += new TextDecoder().decode(piece);
    if (text.includes("120 of 300 rows")) await app.app.hooks.emit("go");
  }
  const told = text
    .split("\n")
    .filter((line) => line.startsWith("data:"))
    .map((line) => JSON.parse(line.slice(5)) as { state: string; progress: number | null });
  expect(told.some(({ state, progress }) => state === "running" && progress === 0.4)).toBe(true);
  expect(told.at(-1)).toMatchObject({ id, state: "completed" });
  expect(text).toContain("event: job");
  expect(text).toContain("retry: 1000");
});
