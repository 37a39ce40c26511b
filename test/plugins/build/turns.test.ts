import { availableParallelism } from "node:os";
import { expect, test } from "bun:test";
import { Turns } from "../../../src/plugins/build/turns.ts";

/** Keeps the event loop busy for longer than loads may. */
function work(): void {
  const until = performance.now() + 6;
  while (performance.now() < until);
}

/** Counts how much is done in one turn of the event loop, at most. */
function createCounter() {
  const counter = { most: 0, now: 0, note };
  function note(): void {
    counter.now += 1;
    counter.most = Math.max(counter.most, counter.now);
    setImmediate(() => (counter.now = 0));
  }
  return counter;
}

test("next() gives no turn more than it has time for, and goes by who came first", async () => {
  const turns = new Turns();
  const counter = createCounter();
  const done: string[] = [];
  const load = async (name: string): Promise<void> => {
    for (const piece of ["a", "b", "c"]) {
      // oxlint-disable-next-line no-await-in-loop -- one piece after the other
      await turns.next();
      work();
      counter.note();
      done.push(`${piece}${name}`);
    }
  };
  const loads = ["1", "2", "3", "4"].map(load);
  expect(turns.isBusy).toBe(true);
  await Promise.all(loads);
  expect(done.join(" ")).toBe("a1 a2 a3 a4 b1 b2 b3 b4 c1 c2 c3 c4");
  expect(counter.most).toBe(1);
  expect(turns.isBusy).toBe(false);
});

test("next() doesn't wait while a turn is young", async () => {
  const turns = new Turns();
  let isOver = false;
  setImmediate(() => (isOver = true));
  await turns.next();
  await turns.next();
  expect(isOver).toBe(false);
});

test("apart() does a few at once, one that fails as well", async () => {
  const turns = new Turns();
  const limit = availableParallelism() + 4;
  const released = Promise.withResolvers<void>();
  let running = 0;
  let most = 0;
  const works = Array.from({ length: 3 * limit }, (_, index) =>
    turns.apart(async () => {
      running += 1;
      most = Math.max(most, running);
      await released.promise;
      running -= 1;
      if (index % 2 === 0) throw new Error(`${index}`);
      return index;
    }),
  );
  const results = Promise.allSettled(works);
  await Bun.sleep(0);
  expect(running).toBe(limit);
  released.resolve();
  expect((await results).filter(({ status }) => status === "fulfilled")).toHaveLength((3 * limit) / 2);
  expect(most).toBe(limit);
});
