import { expect } from "bun:test";
import { sql } from "drizzle-orm";
import type { Task } from "../../../src/jobs/scheduler/task.ts";
import { testOnDialect, testWithCoreTables } from "../../database-servers.ts";
import { Instances, look, toTask } from "./instances.ts";

/** A handler that notes when it was due, and can be held up. */
function createHandler() {
  const due: number[] = [];
  let gate: Promise<void> = Promise.resolve();
  const handler = async ({ dueAt }: { dueAt: Date }): Promise<void> => {
    due.push(dueAt.getTime());
    await gate;
  };
  const hold = (): (() => void) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    gate = promise;
    return resolve;
  };
  return { due, handler, hold };
}

testWithCoreTables(
  "each moment that a task is due is run once, by one of the instances",
  async ({ driver }) => {
    await using instances = await Instances.open(driver);
    const { due, handler } = createHandler();
    instances.clock.toHour(0, 1800);
    const all = [instances.add(), instances.add(), instances.add()];
    for (const { timetable } of all) timetable.add(toTask(handler));
    await Promise.all(all.map(({ timetable }) => timetable.settled()));
    expect(due).toEqual([]); // it wasn't there yet when it was last due

    const hours = [1, 2, 3].map((later) => later);
    const expected: number[] = [];
    for (const later of hours) {
      expected.push(instances.clock.toHour(later, 0.1));
      // oxlint-disable-next-line no-await-in-loop -- one hour after another
      await Promise.all(all.map(look));
      await Promise.all(all.map(look));
    }
    expect(due).toEqual(expected);
    await instances.ended();
    expect(await instances.row()).toMatchObject({
      runs: 3,
      failures: 0,
      skips: 0,
      last_due_at: expected[2],
      last_error: null,
    });
  },
);

testWithCoreTables("a clock that is set back runs nothing twice, and loses nothing", async ({ driver }) => {
  await using instances = await Instances.open(driver);
  const { due, handler } = createHandler();
  instances.clock.toHour(0, 1800);
  const instance = instances.add();
  instance.timetable.add(toTask(handler));
  await instance.timetable.settled();
  const hours = [1, 2].map((later) => instances.clock.toHour(later, 1));
  instances.clock.toHour(1, 1);
  await look(instance);
  instances.clock.toHour(2, 1);
  await look(instance);
  expect(due).toEqual(hours);

  instances.clock.toHour(0, 1700);
  await look(instance);
  for (const later of [1, 2, 3]) {
    instances.clock.toHour(later, 1);
    // oxlint-disable-next-line no-await-in-loop
    await look(instance);
  }
  expect(due).toEqual([...hours, instances.clock.toHour(3, 0)]);
});

testWithCoreTables("a clock that is far ahead for a while stops nothing", async ({ driver }) => {
  await using instances = await Instances.open(driver);
  const { due, handler } = createHandler();
  instances.clock.toHour(500_000, 1800);
  const instance = instances.add();
  instance.timetable.add(toTask(handler));
  await instance.timetable.settled();
  const ahead = instances.clock.toHour(500_001, 1);
  await look(instance);
  instances.clock.toHour(0, 1800);
  await look(instance);
  const next = instances.clock.toHour(1, 1);
  await look(instance);
  expect(due).toEqual([ahead, next]);
});

testWithCoreTables(
  "what is missed is run once where it is caught up with, and not otherwise",
  async ({ driver }) => {
    await using instances = await Instances.open(driver);
    const [caught, lost] = [createHandler(), createHandler()];
    instances.clock.toHour(0, 1800);
    const first = instances.add();
    const tasks = [
      toTask(caught.handler, { name: "x:caught", catchesUp: true }),
      toTask(lost.handler, { name: "x:lost" }),
    ];
    for (const task of tasks) first.timetable.add(task);
    await first.timetable.settled();
    await first.timetable.stop();

    const last = instances.clock.toHour(5, 1800); // nothing has run for five hours
    const restarted = [instances.add(), instances.add()];
    for (const { timetable } of restarted) for (const task of tasks) timetable.add(task);
    await Promise.all(restarted.map(({ timetable }) => timetable.settled()));
    expect([caught.due, lost.due]).toEqual([[last], []]);

    // A clock that leaps, or a machine that slept, is no other thing.
    const later = instances.clock.toHour(9, 1800);
    await Promise.all(restarted.map(look));
    expect([caught.due, lost.due]).toEqual([[last, later], []]);
    expect(instances.log.filter((line) => line.includes("a task was missed"))).toHaveLength(2);
  },
);

testWithCoreTables("a start within a minute of a moment doesn't lose it", async ({ driver }) => {
  await using instances = await Instances.open(driver);
  const { due, handler } = createHandler();
  instances.clock.toHour(0, 3599);
  const first = instances.add();
  first.timetable.add(toTask(handler));
  await first.timetable.settled();
  await first.timetable.stop();
  const hour = instances.clock.toHour(1, 20);
  const second = instances.add();
  second.timetable.add(toTask(handler));
  await second.timetable.settled();
  expect(due).toEqual([hour]);
});

testWithCoreTables(
  "a task whose earlier run goes on is skipped, on every instance, until it ends",
  async ({ driver }) => {
    await using instances = await Instances.open(driver);
    const { due, handler, hold } = createHandler();
    instances.clock.toHour(0, 1800);
    const [a, b] = [instances.add(), instances.add()];
    for (const { timetable } of [a, b]) timetable.add(toTask(handler));
    await Promise.all([a, b].map(({ timetable }) => timetable.settled()));
    const release = hold();
    instances.clock.toHour(1, 1);
    await look(a);
    // The lease is renewed by the clock that has been set.
    instances.clock.toHour(2, 1);
    const runId = (await instances.row())?.run_id ?? "";
    expect(await a.ledger.renew("x:task", runId)).toBe(true);
    await Promise.all([look(a), look(b)]);
    expect(due).toHaveLength(1);
    expect(await instances.row()).toMatchObject({ skips: 1, runs: 0 });
    expect(instances.log.filter((line) => line.includes("its earlier run goes on"))).toHaveLength(1);
    release();
    await instances.ended();
    instances.clock.toHour(3, 1);
    await look(b);
    expect(due).toHaveLength(2);
  },
);

testWithCoreTables("a run of a process that has ended without a word holds nobody up", async ({ driver }) => {
  await using instances = await Instances.open(driver);
  const { due, handler } = createHandler();
  instances.clock.toHour(0, 1800);
  const [a, b] = [instances.add(), instances.add()];
  b.timetable.add(toTask(handler));
  await b.timetable.settled();
  const dueAt = instances.clock.toHour(1, 1);
  // It claims a run, and is killed.
  expect(await a.ledger.claim(toTask(handler), { dueAt, runId: crypto.randomUUID() })).toMatchObject({
    as: "ours",
  });
  instances.clock.toHour(1, 20);
  expect(await b.ledger.take(toTask(handler), crypto.randomUUID())).toEqual({ as: "overlapping" });
  const next = instances.clock.toHour(2, 1);
  await look(b);
  expect(due).toEqual([next]);
});

testWithCoreTables("runs of a task that may overlap do", async ({ driver }) => {
  await using instances = await Instances.open(driver);
  const { due, handler, hold } = createHandler();
  instances.clock.toHour(0, 1800);
  const instance = instances.add();
  instance.timetable.add(toTask(handler, { mayOverlap: true }));
  await instance.timetable.settled();
  const release = hold();
  for (const later of [1, 2]) {
    instances.clock.toHour(later, 1);
    // oxlint-disable-next-line no-await-in-loop
    await look(instance);
  }
  expect(due).toHaveLength(2);
  release();
  await instances.ended();
  expect(await instances.row()).toMatchObject({ runs: 2, skips: 0 });
});

testWithCoreTables("a paused task isn't run, nor caught up with once it goes on", async ({ driver }) => {
  await using instances = await Instances.open(driver);
  const { due, handler } = createHandler();
  instances.clock.toHour(0, 1800);
  const [a, b] = [instances.add(), instances.add()];
  for (const { timetable } of [a, b]) timetable.add(toTask(handler, { catchesUp: true }));
  await Promise.all([a, b].map(({ timetable }) => timetable.settled()));
  expect(await a.ledger.setPaused("x:task", true)).toBe(true);
  instances.clock.toHour(1, 1);
  await Promise.all([look(a), look(b)]);
  instances.clock.toHour(1, 1800);
  expect(await b.ledger.setPaused("x:task", false)).toBe(true);
  await Promise.all([look(a), look(b)]);
  a.timetable.add(toTask(handler, { catchesUp: true }));
  await a.timetable.settled();
  expect(due).toEqual([]);
  const hour = instances.clock.toHour(2, 1);
  await Promise.all([look(a), look(b)]);
  expect(due).toEqual([hour]);
  expect(await a.ledger.setPaused("x:other", true)).toBe(false);
});

testWithCoreTables("another expression begins anew: nothing of it is caught up with", async ({ driver }) => {
  await using instances = await Instances.open(driver);
  const { due, handler } = createHandler();
  instances.clock.toHour(0, 600);
  const instance = instances.add();
  instance.timetable.add(toTask(handler, { catchesUp: true }));
  await instance.timetable.settled();
  instances.clock.toHour(0, 2000);
  instance.timetable.add(toTask(handler, { catchesUp: true, expression: "30 * * * *" }));
  await instance.timetable.settled();
  expect(due).toEqual([]);
  expect(await instances.row()).toMatchObject({ expression: "30 * * * *" });
});

testWithCoreTables(
  "a task that another takes the place of loses no moment, and runs none twice",
  async ({ driver }) => {
    await using instances = await Instances.open(driver);
    const ran: string[] = [];
    instances.clock.toHour(0, 1800);
    const instance = instances.add();
    const { timetable } = instance;
    const [old, next, last] = ["old", "next", "last"].map((name) => toTask(() => ran.push(name)));
    timetable.add(old as Task);
    await timetable.settled();

    // As it becomes due, and before the timer was called.
    instances.clock.toHour(1, 0.1);
    timetable.add(next as Task);
    timetable.remove(old as Task);
    await look(instance);
    expect(ran).toEqual(["next"]);

    // While its claim is under way.
    instances.clock.toHour(2, 0.1);
    await timetable.look();
    timetable.add(last as Task);
    timetable.remove(next as Task);
    await timetable.settled();
    await look(instance);
    expect(ran).toEqual(["next", "last"]);

    // Its plugin is disabled while the claim is under way, and enabled again.
    instances.clock.toHour(3, 0.1);
    await timetable.look();
    timetable.remove(last as Task);
    await timetable.settled();
    expect(ran).toEqual(["next", "last"]);
    timetable.add(last as Task);
    await timetable.settled();
    expect(ran).toEqual(["next", "last", "last"]); // that was within a minute
    instances.clock.toHour(4, 0.1);
    await look(instance);
    expect(ran).toHaveLength(4);
  },
);

testOnDialect(
  "sqlite",
  "a database that fails for a while keeps no task from its moment",
  async ({ driver }) => {
    await using instances = await Instances.open(driver);
    const { db } = instances.store;
    const { due, handler } = createHandler();
    const fail = () => db.execute(sql`alter table scheduled_tasks rename to away`);
    const mend = () => db.execute(sql`alter table away rename to scheduled_tasks`);
    instances.clock.toHour(0, 1800);
    const instance = instances.add();
    await fail();
    instance.timetable.add(toTask(handler));
    await instance.timetable.settled();
    await mend();
    instances.clock.toHour(0, 1810);
    await look(instance); // it is entered now

    const hour = instances.clock.toHour(1, 1);
    await fail();
    await look(instance);
    await mend();
    expect(due).toEqual([]);
    instances.clock.toHour(1, 10);
    await look(instance);
    expect(due).toEqual([hour]);
    expect(instances.log.filter((line) => line.includes("tasks can't be run now"))).toHaveLength(2);
  },
);

testOnDialect("sqlite", "what a task throws is noted and logged, and it runs again", async ({ driver }) => {
  await using instances = await Instances.open(driver);
  let runs = 0;
  instances.clock.toHour(0, 1800);
  const instance = instances.add();
  const failing = () => {
    runs += 1;
    if (runs === 1) throw new RangeError("no");
  };
  instance.timetable.add(toTask(failing));
  await instance.timetable.settled();
  instances.clock.toHour(1, 1);
  await look(instance);
  await instances.ended();
  expect(await instances.row()).toMatchObject({
    runs: 1,
    failures: 1,
    last_error: "RangeError: no",
    run_id: null,
  });
  expect(JSON.parse(instances.log[0] ?? "")).toMatchObject({
    plugin: "x",
    task: "x:task",
    msg: "task failed",
  });
  instances.clock.toHour(2, 1);
  await look(instance);
  await instances.ended();
  const row = await instances.row();
  expect(row).toMatchObject({ failures: 1, last_error: "RangeError: no" });
  expect(row?.last_ended_at).toBeGreaterThan(row?.last_failed_at ?? Infinity);
});

testOnDialect(
  "sqlite",
  "a claim whose outcome isn't known is the same run when it is made again",
  async ({ driver }) => {
    await using instances = await Instances.open(driver);
    const task = toTask(() => {});
    const { ledger } = instances.add();
    instances.clock.toHour(1, 1);
    await ledger.enter(task);
    const run = { dueAt: instances.clock.toHour(1, 0), runId: crypto.randomUUID() };
    instances.clock.toHour(1, 1);
    expect(await ledger.claim(task, run)).toMatchObject({ as: "ours" });
    expect(await ledger.claim(task, run)).toMatchObject({ as: "ours" });
    expect(await ledger.claim(task, { ...run, runId: crypto.randomUUID() })).toEqual({ as: "taken" });
    // An instance whose clock is ahead is told what the time is.
    const early = { dueAt: run.dueAt + 3_600_000, runId: crypto.randomUUID() };
    expect(await ledger.claim(task, early)).toMatchObject({ as: "early" });
  },
);
