import { setImmediate } from "node:timers/promises";
import { expect } from "bun:test";
import { testWithCoreTables } from "../database-servers.ts";
import { JobHost } from "./job-host.ts";

/** How many tell that they take no time, whatever else the machine does. */
const SHORT = 40;

/** A host with one place whose handlers have taken no time so far, and jobs of which the first one waits for the gate. */
async function createHost(driver: Parameters<typeof JobHost.create>[0]) {
  const host = await JobHost.create(driver, { concurrency: 1 });
  const gate = Promise.withResolvers<void>();
  const begun = Promise.withResolvers<void>();
  const seen: [payload: unknown, attempt: number][] = [];
  const job = host.define("one", async ({ payload, attempt }) => {
    seen.push([payload, attempt]);
    if (payload !== "long") return;
    begun.resolve();
    await gate.promise;
  });
  const short = Array.from({ length: SHORT }, () => ({ definition: job, payload: "short" }));
  const learned = host.next("job.completed", () => seen.length === SHORT);
  await host.enqueueMany(short);
  await learned;
  seen.length = 0;
  const payloads = ["long", "a", "b", "c", "d"];
  const ids = await host.enqueueMany(payloads.map((payload) => ({ definition: job, payload })));
  await begun.promise;
  /** The states of the jobs, how many tries each has begun, and whether it was ever claimed. */
  const look = async () => {
    const rows = await Promise.all(ids.map((id) => host.row(id)));
    return rows.map((row) => `${row?.state} ${row?.attempt}${row?.started_at === null ? "" : " claimed"}`);
  };
  return { host, ids, gate, seen, look };
}

const GIVEN_BACK = ["waiting 0 claimed", "waiting 0 claimed", "waiting 0 claimed", "waiting 0"];

testWithCoreTables(
  "jobs are claimed before there is a place, and given back where none comes",
  async ({ driver }) => {
    const { host, gate, seen, look, ids } = await createHost(driver);
    await using _ = host;
    while ((await look())[1] === "running 1 claimed") await setImmediate();
    expect(await look()).toEqual(["running 1 claimed", ...GIVEN_BACK]);
    const last = host.next("job.completed", ({ id }) => id === ids.at(-1));
    gate.resolve();
    await last;
    expect(seen.map((one) => one.join(" "))).toEqual(["long 1", "a 1", "b 1", "c 1", "d 1"]);
  },
);

testWithCoreTables("a process that stops gives back at once what hasn't begun", async ({ driver }) => {
  const { host, gate, look } = await createHost(driver);
  await using _ = host;
  const closed = host.jobs.close(new AbortController().signal);
  while ((await look())[1] === "running 1 claimed") await setImmediate();
  expect(await look()).toEqual(["running 1 claimed", ...GIVEN_BACK]);
  gate.resolve();
  await closed;
  expect(await look()).toEqual(["completed 1 claimed", ...GIVEN_BACK]);
});

testWithCoreTables("a job that is cancelled before it has begun doesn't run", async ({ driver }) => {
  const { host, ids, gate, seen } = await createHost(driver);
  await using _ = host;
  const queue = await host.jobs.queue();
  queue.worker?.end(ids[1] as string, "cancelled");
  const last = host.next("job.completed", ({ id }) => id === ids.at(-1));
  gate.resolve();
  await last;
  expect(seen.map(([payload]) => payload)).toEqual(["long", "b", "c", "d"]);
});

testWithCoreTables("of jobs that may only run one at a time none is claimed ahead", async ({ driver }) => {
  await using host = await JobHost.create(driver, { concurrency: 1 });
  const states: unknown[] = [];
  const job = host.define(
    "one",
    async ({ payload }) => {
      const rows = await host.store.db.select().from(host.store.tables.jobs);
      states.push([payload, rows.filter(({ state }) => state === "running").length]);
    },
    { key: () => "all", keep: 0 },
  );
  const last = host.next("job.completed", () => states.length === 4);
  const payloads = [1, 2, 3, 4];
  await host.enqueueMany(payloads.map((payload) => ({ definition: job, payload })));
  await last;
  expect(states).toEqual(payloads.map((payload) => [payload, 1]));
});
