import { describe, expect, test } from "bun:test";
import { createHookBus } from "../../src/hooks/bus.ts";
import type { HookBus, HookErrorPlace } from "../../src/hooks/bus.ts";

interface Reported extends HookErrorPlace {
  error: unknown;
}

function createBus(): { bus: HookBus; reported: Reported[] } {
  const reported: Reported[] = [];
  return { bus: createHookBus({ onError: (error, at) => reported.push({ error, ...at }) }), reported };
}

function fail(): never {
  throw new Error("hostile");
}

const never = new Promise<never>(() => undefined);

describe("a handler that throws", () => {
  test.each([
    ["null", null],
    ["undefined", undefined],
    ["a frozen object", Object.freeze({ frozen: true })],
    ["an error", new Error("broken")],
  ])("emit() reports it and goes on when a handler throws %s", async (_, thrown) => {
    const { bus, reported } = createBus();
    bus.on(
      "a",
      () => {
        throw thrown;
      },
      { source: "blog" },
    );
    // oxlint-disable-next-line typescript/prefer-promise-reject-errors -- that is the hostile case
    bus.on("a", () => Promise.reject(thrown));
    bus.on("a", () => "fine");
    const results = await bus.emit("a");
    expect(results.map(({ status }) => status)).toEqual(["threw", "threw", "ok"]);
    expect("error" in (results[0] ?? {})).toBe(true);
    expect(results[0]?.error).toBe(thrown);
    expect(reported).toEqual([
      { error: thrown, event: "a", source: "blog", reason: "threw" },
      { error: thrown, event: "a", source: null, reason: "threw" },
    ]);
  });

  test("emit() reports it when a handler returns a value whose then throws", async () => {
    const { bus, reported } = createBus();
    for (const then of [{ get: fail }, { value: fail }]) {
      // oxlint-disable-next-line unicorn/no-thenable -- that is the hostile case
      bus.on("a", () => Object.defineProperty({}, "then", then));
    }
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    bus.on("a", () => proxy);
    expect((await bus.emit("a")).map(({ status }) => status)).toEqual(["threw", "threw", "threw"]);
    expect(reported).toHaveLength(3);
  });

  test("emit() resolves when onError throws as well", async () => {
    const bus = createHookBus({
      onError: () => {
        throw new Error("the log is broken");
      },
    });
    bus.on("a", () => {
      throw new Error("broken");
    });
    expect(await bus.emit("a")).toHaveLength(1);
  });
});

describe("a handler that is late", () => {
  test("emit() goes on when a handler never ends", async () => {
    const { bus, reported } = createBus();
    bus.on("a", () => never, { timeout_ms: 5, source: "blog" });
    bus.on("a", () => "fine");
    const results = await bus.emit("a");
    expect(results.map(({ status }) => status)).toEqual(["timed_out", "ok"]);
    expect(reported).toMatchObject([{ event: "a", source: "blog", reason: "timed_out" }]);
    expect(String(results[0]?.error)).toBe(
      'HookTimeoutError: Cannot wait for a handler of plugin "blog" of "a": it still runs after 5 ms',
    );
  });

  test("emit() ignores what a late handler does when its time is over", async () => {
    const unhandled: unknown[] = [];
    const listener = (error: unknown): void => void unhandled.push(error);
    process.on("unhandledRejection", listener);
    const { bus, reported } = createBus();
    const gate = Promise.withResolvers<null>();
    const lateError = Promise.withResolvers<unknown>();
    bus.on(
      "a",
      async ({ cancel }) => {
        await gate.promise;
        try {
          cancel("late");
        } catch (error) {
          lateError.resolve(error);
        }
        throw new Error("late");
      },
      { order: "before", timeout_ms: 5 },
    );
    const results = await bus.emit("a");
    gate.resolve(null);
    expect(await lateError.promise).toBeInstanceOf(TypeError);
    await new Promise((resolve) => setImmediate(resolve));
    process.off("unhandledRejection", listener);
    expect(unhandled).toEqual([]);
    expect(reported).toHaveLength(1);
    expect(results.cancelled).toBe(false);
  });

  test("emit() leaves no timer behind when a handler ends in time", async () => {
    const script = `
      import { createHookBus } from ${JSON.stringify(`${import.meta.dir}/../../src/hooks/bus.ts`)};
      const bus = createHookBus({ onError() {} });
      bus.on("a", async () => {}, { timeout_ms: 60_000 });
      bus.on("b", () => new Promise(() => {}), { timeout_ms: 60_000 });
      await bus.emit("a");
      void bus.emit("b");
    `;
    const child = Bun.spawn([process.execPath, "-e", script], { timeout: 50_000, stderr: "inherit" });
    expect(await child.exited).toBe(0);
  });
});

describe("handlers that emit", () => {
  test("emit() is refused and reported once when a handler emits its own event without end", async () => {
    const { bus, reported } = createBus();
    let calls = 0;
    bus.on("ping", () => bus.emit("pong"));
    bus.on("pong", async () => {
      calls++;
      await Bun.sleep(0);
      await bus.emit("ping");
    });
    const results = await bus.emit("ping");
    expect(results.map(({ status }) => status)).toEqual(["ok"]);
    expect(calls).toBe(32);
    expect(reported).toHaveLength(1);
    expect(String(reported[0]?.error)).toBe(
      'Error: Cannot emit "ping": 64 emissions are already waiting for one another ' +
        "(… → ping → pong → ping → pong); a handler probably emits the event that it listens to",
    );
  });

  test("emit() ends soon when every handler emits twice, without waiting for it", async () => {
    const { bus, reported } = createBus();
    let calls = 0;
    bus.on("*", () => {
      calls++;
      void bus.emit("x.y");
      void bus.emit("x.z");
    });
    await bus.emit("a");
    expect(calls).toBeLessThan(200);
    expect(reported).toHaveLength(1);
  });

  test("emit() tells the handler that it was refused when the chain is too deep", async () => {
    const { bus } = createBus();
    const reasons = new Set<string | null>();
    bus.on("a", async () => {
      const results = await bus.emit("a");
      if (results.cancelled) reasons.add(results.cancel_reason);
    });
    await bus.emit("a");
    expect([...reasons]).toEqual(['"a" is emitted too deep']);
  });

  test("emit() begins a new chain when a timer of a handler emits, as a heartbeat does", async () => {
    const { bus, reported } = createBus();
    const done = Promise.withResolvers<null>();
    let beats = 0;
    bus.on("beat", () => {
      if (++beats === 200) done.resolve(null);
      else setTimeout(() => void bus.emit("beat"), 0);
    });
    await bus.emit("beat");
    await done.promise;
    expect(reported).toEqual([]);
  });

  test("emit() counts only its own chain when many run at once", async () => {
    const { bus, reported } = createBus();
    bus.on("a", () => bus.emit("b"));
    bus.on("b", () => Bun.sleep(0));
    await Promise.all(Array.from({ length: 500 }, () => bus.emit("a")));
    expect(reported).toEqual([]);
  });
});
