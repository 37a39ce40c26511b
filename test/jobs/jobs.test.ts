import { expect } from "bun:test";
import { testAppOnEachBackend } from "./backends.ts";
import { send, startWithJobs } from "./job-plugin.ts";

const ECHO = `
  jobs.define("echo", async ({ id, payload, attempt }) => { await hooks.emit("echoed", { id, payload, attempt }); }, {
    payload: t.Object({ n: t.Integer(), unit: t.String({ default: "m" }) }),
  });
`;

testAppOnEachBackend("a job runs with its payload once it is enqueued", async (config) => {
  await using app = await startWithJobs(
    config,
    `${ECHO}
    export default createRouter().post("/", ({ body }) => jobs.enqueue("echo", body));
  `,
  );
  let id = "";
  const done = app.after("job.completed", () => {});
  const { data } = await app.after("echoed", async () => {
    id = await (await send(app, { n: 7 })).text();
  });
  expect(data).toEqual({ id, payload: { n: 7, unit: "m" }, attempt: 1 });
  expect((await done).data).toMatchObject({ id, name: "echo", plugin: "chores", attempt: 1 });
});

testAppOnEachBackend("a payload that the schema refuses is told to whoever enqueues it", async (config) => {
  await using app = await startWithJobs(
    config,
    `${ECHO}
    export default createRouter().post("/", ({ body }) => jobs.enqueue("echo", body));
  `,
  );
  const response = await send(app, { n: "seven" });
  expect(response.status).toBe(422);
  expect(await response.json()).toMatchObject({
    code: "validation_error",
    errors: [{ path: "/payload/n", code: "type" }],
  });
});

testAppOnEachBackend("with a transaction, a job is enqueued if and only if that commits", async (config) => {
  await using app = await startWithJobs(
    config,
    `${ECHO}
    export default createRouter().post("/", ({ body }) => db.transaction(async (tx) => {
      await tx.insert(notes).values({ text: "x" });
      await jobs.enqueue("echo", { n: body.n }, { tx });
      await hooks.emit("written", body);
      if (body.fails) throw new Error("no");
    }));
  `,
  );
  await send(app, { n: 1, fails: true });
  const { data } = await app.after("echoed", () => send(app, { n: 2 }));
  expect(data.payload.n).toBe(2);
  const names = app.events.map(({ name }) => name);
  expect(names.filter((name) => name === "echoed")).toHaveLength(1);
  expect(names.lastIndexOf("echoed")).toBeGreaterThan(names.lastIndexOf("written"));
});

testAppOnEachBackend("nothing of the queue is loaded for a plugin without jobs", async (config) => {
  await using app = await startWithJobs(config, `export default createRouter().get("/", () => "hello");`);
  expect(app.app.jobs.isLoaded).toBe(false);
});
