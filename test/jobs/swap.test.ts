import { expect } from "bun:test";
import { testAppOnEachBackend } from "./backends.ts";
import { jobPlugin, manage, send, startWithJobs } from "./job-plugin.ts";
import type { TestApp } from "../setup.ts";

/** What a job waits for, across generations: an answer over HTTP. */
class Gate implements Disposable {
  readonly #opened = Promise.withResolvers<void>();
  readonly #server = Bun.serve({
    port: 0,
    idleTimeout: 0,
    fetch: async () => {
      await this.#opened.promise;
      return new Response("open");
    },
  });

  get url(): string {
    return this.#server.url.href;
  }

  open(): void {
    this.#opened.resolve();
  }

  [Symbol.dispose](): void {
    void this.#server.stop(true);
  }
}

const work = (version: string, url: string, payload = "t.Unknown()"): string => `
  jobs.define("work", async ({ payload }) => {
    await hooks.emit("begun", { version: "${version}", payload });
    await fetch("${url}");
    await hooks.emit("ended", { version: "${version}", payload });
  }, { payload: ${payload} });
  export const teardown = () => hooks.emit("torn", "${version}");
  export default createRouter().post("/", ({ body }) => jobs.enqueue("work", body));
`;

const seen = (app: TestApp, name: string): unknown[] =>
  app.events.filter((event) => event.name === name).map(({ data }) => data);

testAppOnEachBackend(
  "a running job ends on its generation, and those that wait move to the new one",
  async (config) => {
    using gate = new Gate();
    await using app = await startWithJobs(config, work("old", gate.url));
    await app.after("begun", () => send(app, { n: 1 }));
    await send(app, { n: 2 });
    await send(app, { n: "three" });
    await app.after("plugin.reloaded", () =>
      app.writePlugins(jobPlugin(work("new", gate.url, "t.Object({ n: t.Integer() })"))),
    );
    expect(seen(app, "begun")).toEqual([{ version: "old", payload: { n: 1 } }]);
    expect(seen(app, "torn")).toEqual([]);
    const [torn, ended, failed] = [
      app.after("torn", () => {}),
      app.after(
        "ended",
        () => {},
        ({ data }) => data.version === "new",
      ),
      app.after("job.failed", () => {}),
    ];
    gate.open();
    expect((await torn).data).toBe("old");
    expect((await ended).data).toEqual({ version: "new", payload: { n: 2 } });
    expect((await failed).data).toMatchObject({
      message: expect.stringContaining("payload/n"),
      will_retry: false,
    });
    const names = app.events.map(({ name, data }) => `${name} ${JSON.stringify(data)}`);
    const oldEnded = names.findIndex((line) => line.startsWith("ended") && line.includes("old"));
    expect(names.findIndex((line) => line.startsWith("torn"))).toBeGreaterThan(oldEnded);
    const { body } = await app.getAsAdmin("/system/jobs?state=incompatible");
    expect(body.total).toBe(1);
  },
  { concurrency: 1 },
);

testAppOnEachBackend("jobs of a disabled plugin wait until it is there again", async (config) => {
  using gate = new Gate();
  gate.open();
  await using app = await startWithJobs(config, work("one", gate.url));
  const { headers } = await app.admin();
  const switchTo = (verb: string) => app.fetch(`/system/plugins/chores/${verb}`, { method: "PUT", headers });
  const delayed = await manage(app, "POST", "", { name: "work", payload: { n: 1 }, delay: 3600 });
  const { id } = (await delayed.json()) as { id: string };
  await app.after("plugin.unloaded", () => switchTo("disable"));
  expect((await manage(app, "POST", `/${id}/retry`)).status).toBe(200);
  expect((await manage(app, "POST", "", { name: "work" })).status).toBe(404);
  expect((await app.getAsAdmin(`/system/jobs/${id}`)).body.state).toBe("waiting");
  const { data } = await app.after("ended", () => switchTo("enable"));
  expect(data.payload).toEqual({ n: 1 });
});

testAppOnEachBackend("a server that stops waits for its jobs, and closes with them", async (config) => {
  using gate = new Gate();
  const app = await startWithJobs(config, work("one", gate.url));
  await app.after("begun", () => send(app, { n: 1 }));
  const closed = app[Symbol.asyncDispose]();
  expect(seen(app, "ended")).toEqual([]);
  gate.open();
  await closed;
  expect(seen(app, "ended")).toHaveLength(1);
  expect(app.events.map(({ name }) => name).slice(-3)).toContain("torn");
});
