import { expect, test } from "bun:test";
import { compareWaiting, MAX_COMPARED } from "../../src/jobs/admin/fit.ts";
import { createJobDesk } from "../../src/jobs/admin/desk.ts";
import type { WaitingJob } from "../../src/jobs/contract/records.ts";
import { testWithCoreTables } from "../database-servers.ts";
import { JobHost } from "./job-host.ts";

const CUSTOMER = { type: "object", required: ["customer"], properties: { customer: { type: "string" } } };

testWithCoreTables("jobs that wait are compared with what a version says of them", async ({ driver }) => {
  await using host = await JobHost.create(driver);
  const desk = createJobDesk(await host.jobs.backend());
  const [remind, report, other] = ["remind", "report", "other"].map((name) => host.prepare(name, () => {}));
  if (remind === undefined || report === undefined || other === undefined) throw new Error("not prepared");
  await host.enqueue(remind, { customer: "ada" });
  const wrong: string[] = [];
  for (const payload of [{ customer: 7 }, {}, null, "x", []]) {
    // oxlint-disable-next-line no-await-in-loop -- told in their order
    wrong.push(await host.enqueue(remind, payload, { delay: 3600 }));
  }
  await host.enqueueMany(Array.from({ length: 120 }, () => ({ definition: other, payload: 1 })));
  const queue = await host.jobs.queue();
  await queue.chain([1, 2].map((payload) => ({ definition: report, payload })));
  const cancelled = await host.enqueue(report, 3);
  await desk.cancel(cancelled);
  // Of a plugin whose name begins alike.
  await driver.toDatabase({}).insert(host.store.tables.jobs).values({
    id: Bun.randomUUIDv7(),
    name: "test2:remind",
    state: "waiting",
    payload: "1",
  });

  const fit = await desk.compareWaiting("test", [
    { name: "remind", payload: CUSTOMER },
    { name: "other", payload: { type: "string", pattern: "a" } },
    { name: "unused", payload: {} },
  ]);
  expect(fit).toMatchObject({ checked: 128, complete: true });
  expect(fit.jobs).toEqual([
    { name: "test:other", waiting: 120, unfit: 0, unchecked: 120, declared: true, examples: [] },
    {
      name: "test:remind",
      waiting: 6,
      unfit: 5,
      unchecked: 0,
      declared: true,
      examples: [
        { id: wrong[0] as string, reason: "payload/customer: Expected string" },
        { id: wrong[1] as string, reason: "payload/customer: Required, but missing" },
        { id: wrong[2] as string, reason: "payload: Expected object" },
      ],
    },
    { name: "test:report", waiting: 2, unfit: 0, unchecked: 0, declared: false, examples: [] },
  ]);
  const silent = await desk.compareWaiting("test", null);
  expect(silent.jobs.map(({ waiting, unchecked, declared }) => [waiting, unchecked, declared])).toEqual([
    [120, 120, null],
    [6, 6, null],
    [2, 2, null],
  ]);
  expect(await desk.compareWaiting("none", [])).toEqual({ checked: 0, complete: true, jobs: [] });
});

async function* pieces(count: number, payload = "1"): AsyncGenerator<WaitingJob[]> {
  for (let at = 0; at < count; at += 100) {
    yield Array.from({ length: Math.min(100, count - at) }, (_, index) => ({
      id: String(at + index),
      name: "a:b",
      payload,
    }));
  }
}

test("more jobs than are looked at are told of", async () => {
  const declared = [{ name: "b", payload: { type: "integer" } }];
  const fit = await compareWaiting({ waiting: pieces(MAX_COMPARED + 1), declared });
  expect(fit).toMatchObject({
    checked: MAX_COMPARED,
    complete: false,
    jobs: [{ waiting: MAX_COMPARED, unfit: 0 }],
  });
  const all = await compareWaiting({ waiting: pieces(MAX_COMPARED), declared });
  expect(all).toMatchObject({ checked: MAX_COMPARED, complete: true });
});

test("a payload that would take long with a stranger's schema isn't checked by it", async () => {
  const branch = {
    type: "array",
    items: { type: "object", properties: { a: { default: "x".repeat(5000) } } },
  };
  const declared = [{ name: "b", payload: { anyOf: [branch, branch, branch] } }];
  const payload = JSON.stringify(Array.from({ length: 300_000 }, () => ({})));
  const fit = await compareWaiting({ waiting: pieces(2, payload), declared });
  expect(fit.jobs).toMatchObject([{ waiting: 2, unfit: 0, unchecked: 2 }]);
});

test("others have their turns while jobs are compared", async () => {
  let turns = 0;
  const timer = setInterval(() => (turns += 1), 1);
  const payload = JSON.stringify(Array.from({ length: 2000 }, () => ({ a: 1 })));
  const declared = [
    { name: "b", payload: { type: "array", items: { type: "object", properties: { a: {} } } } },
  ];
  await compareWaiting({ waiting: pieces(300, payload), declared });
  clearInterval(timer);
  expect(turns).toBeGreaterThan(1);
});

test("a reason is bounded", async () => {
  const declared = [{ name: "b", payload: { type: "array", items: { type: "string" } } }];
  const payload = JSON.stringify(Array.from({ length: 1000 }, () => 1));
  const { jobs } = await compareWaiting({ waiting: pieces(1, payload), declared });
  const reason = jobs[0]?.examples[0]?.reason ?? "";
  expect(reason).toStartWith("payload/0: Expected string; payload/1: Expected string");
  expect(reason).toHaveLength(300);
});
