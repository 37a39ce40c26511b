import { expect, spyOn, test } from "bun:test";
import { heapStats } from "bun:jsc";
import { setTimeout as wait } from "node:timers/promises";
import { promisify } from "node:util";
import { Timers } from "../../../src/plugins/given/timers.ts";

/** What the globals look like to a plugin. */
function createTimers(report: (error: unknown) => void = () => {}) {
  const timers = new Timers(report);
  return { timers, own: timers.globals as unknown as typeof globalThis };
}

test("Timers hands out handles that work as the host's do", async () => {
  const { own } = createTimers();
  const calls: unknown[] = [];
  const timer = own.setTimeout(
    function (this: unknown, ...args: unknown[]) {
      calls.push(this === timer, ...args);
    },
    1,
    "a",
    2,
  );
  expect([timer.hasRef(), timer.unref().hasRef(), timer.ref().hasRef()]).toEqual([true, false, true]);
  expect(timer).toBeInstanceOf((setTimeout(() => {}, 0) as object).constructor);
  await wait(5);
  expect(calls).toEqual([true, "a", 2]);
  expect(timer.refresh()).toBe(timer);
  await wait(5);
  expect(calls).toHaveLength(6);
  expect(await promisify(own.setTimeout)(1, "value")).toBe("value");
  expect(await promisify(own.setImmediate)("value")).toBe("value");
});

test("Timers clears by handle, by number, by its text and by a handle's own methods", async () => {
  const { own } = createTimers();
  const called: string[] = [];
  const start = (name: string) => own.setTimeout(() => called.push(name), 1);
  own.clearTimeout(start("handle"));
  own.clearTimeout(Number(start("number")));
  own.clearTimeout(String(Number(start("text"))));
  own.clearInterval(start("as an interval"));
  start("closed").close();
  start("disposed")[Symbol.dispose]();
  own.clearImmediate(own.setImmediate(() => called.push("immediate")));
  for (const nothing of [undefined, null, 12345, {}, "x"]) own.clearTimeout(nothing as never);
  await wait(5);
  expect(called).toEqual([]);
});

test("Timers leaves it to the host to refuse what is no callback", () => {
  const { own } = createTimers();
  for (const name of ["setTimeout", "setInterval", "setImmediate"] as const) {
    expect(() => own[name]("code" as never)).toThrow(TypeError);
  }
});

test("Timers.end() ends all that is under way, and what is started afterwards", async () => {
  const { timers, own } = createTimers();
  const called: string[] = [];
  const call = (name: string) => () => void called.push(name);
  const again = own.setTimeout(call("first"), 1);
  await wait(5);
  own.setTimeout(call("timeout"), 1);
  own.setInterval(call("interval"), 1);
  own.setImmediate(call("immediate"));
  again.refresh();
  const { promises, bun } = timers;
  void promises.setTimeout(1).then(call("promise"), call("rejection"));
  void promises
    .setTimeout(1, 1, { signal: new AbortController().signal })
    .then(call("signal"), call("signal rejection"));
  void bun.sleep(1).then(call("sleep"));
  void (async () => {
    for await (const _ of promises.setInterval(1)) called.push("iterated");
    called.push("iteration done");
  })();
  timers.end();
  again.refresh();
  own.setTimeout(call("late timeout"), 1);
  own.setInterval(call("late interval"), 1);
  void promises.setTimeout(1).then(call("late promise"), call("late rejection"));
  void bun.sleep(1).then(call("late sleep"));
  await wait(10);
  expect(called).toEqual(["first", "iteration done"]);
});

test("Timers.endRepeating() ends intervals only, and more may be started", async () => {
  const { timers, own } = createTimers();
  const called: string[] = [];
  own.setInterval(() => called.push("before"), 1);
  own.setTimeout(() => called.push("timeout"), 1);
  timers.endRepeating();
  const after = own.setInterval(() => called.push("after"), 1);
  await wait(5);
  own.clearInterval(after);
  expect(new Set(called)).toEqual(new Set(["timeout", "after"]));
});

test("a signal of the plugin's own still aborts what waits", async () => {
  const { timers } = createTimers();
  const controller = new AbortController();
  const waiting = timers.promises.setTimeout(60_000, 1, { signal: controller.signal });
  controller.abort(new Error("enough"));
  const refused = timers.promises.setTimeout(1, 1, { signal: "none" as never });
  const errors = await Promise.all([waiting, refused].map((one) => one.catch((error: Error) => error.name)));
  expect(errors).toEqual(["AbortError", "TypeError"]);
});

test("what a callback throws is reported, and an interval goes on", async () => {
  const errors: unknown[] = [];
  const thrice = Promise.withResolvers<void>();
  const { own } = createTimers((error) => {
    if (errors.push(error) === 3) thrice.resolve();
  });
  const thrown = new Error("x");
  const timer = own.setInterval(() => {
    throw thrown;
  }, 1);
  await thrice.promise;
  own.clearInterval(timer);
  expect(errors).toEqual([thrown, thrown, thrown]);
});

test("a cron job of Bun's ends with the others, and what it throws is reported", async () => {
  const stop = spyOn({ stop: () => job }, "stop");
  const job = { stop } as unknown as Bun.CronJob;
  let run: (() => unknown) | null = null;
  using _ = spyOn(Bun, "cron").mockImplementation(((...[, handler]: [string, () => unknown]) => {
    run = handler;
    return job;
  }) as never);
  const errors: unknown[] = [];
  const { timers } = createTimers((error) => errors.push(error));
  timers.bun.cron(
    ...([
      "* * * * *",
      async () => {
        throw "from a job";
      },
    ] as unknown as Parameters<typeof Bun.cron>),
  );
  await run!();
  expect(errors).toEqual(["from a job"]);
  timers.endRepeating();
  expect(stop).toHaveBeenCalledTimes(1);
});

test("a timer that was called, or cleared, holds nothing any more", async () => {
  const { own } = createTimers();
  class Held {
    readonly size = 1;
  }
  for (let count = 0; count < 1000; count += 1) {
    const held = new Held();
    own.setTimeout(() => held, 0);
    own.clearTimeout(Number(own.setTimeout(() => held, 60_000)));
    own.setInterval(() => held, 60_000).close();
  }
  await wait(20);
  Bun.gc(true);
  await wait(1);
  Bun.gc(true);
  expect(heapStats().objectTypeCounts["Held"] ?? 0).toBeLessThan(100);
});
