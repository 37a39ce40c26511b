import { describe, expect, test } from "bun:test";
import { createHookBus } from "../../src/hooks/bus.ts";
import type { HookBus, HookErrorPlace } from "../../src/hooks/bus.ts";

interface Reported extends HookErrorPlace {
  error: unknown;
}

function createBus(defaultTimeoutMs?: number): { bus: HookBus; reported: Reported[] } {
  const reported: Reported[] = [];
  const bus = createHookBus({
    onError: (error, at) => reported.push({ error, ...at }),
    now: () => new Date("2026-01-02T03:04:05Z"),
    ...(defaultTimeoutMs === undefined ? {} : { defaultTimeoutMs }),
  });
  return { bus, reported };
}

function returnOne(): number {
  return 1;
}

const statuses = (results: readonly { status: string }[]): string[] => results.map(({ status }) => status);

describe("on()", () => {
  test("on() runs handlers by order, then by registration, when the event is emitted", async () => {
    const { bus } = createBus();
    const calls: string[] = [];
    bus.on("a.b", () => calls.push("after"), { order: "after" });
    bus.on("a.b", () => calls.push("normal 1"));
    bus.on(
      "a.b",
      async () => {
        await Bun.sleep(0);
        calls.push("before 1");
      },
      { order: "before" },
    );
    bus.on("a.*", () => calls.push("normal 2"));
    bus.on("a.b", () => calls.push("before 2"), { order: "before" });
    await bus.emit("a.b");
    expect(calls).toEqual(["before 1", "before 2", "normal 1", "normal 2", "after"]);
  });

  test.each([
    ["user.*", "user.login", true],
    ["user.*", "user.role.added", true],
    ["user.*", "user", false],
    ["user.*", "users.login", false],
    ["*", "user", true],
    ["*", "user.role.added", true],
    ["*.created", "invoice.created", true],
    ["*.created", "blog.article.created", false],
    ["blog.*.created", "blog.article.created", true],
    ["a.b", "a.b", true],
    ["a.b", "aXb", false],
    ["a.b", "a.b.c", false],
  ])("on(%p) is called for %p: %p", async (pattern, name, isCalled) => {
    const { bus } = createBus();
    bus.on(pattern, () => "called");
    expect((await bus.emit(name)).length).toBe(isCalled ? 1 : 0);
  });

  test.each([
    "",
    ".",
    "a.",
    ".a",
    "a..b",
    "a b",
    "a\n",
    "**",
    "a*",
    "é",
    "a".repeat(201),
    7,
    null,
    undefined,
  ])("on() throws a TypeError when the name is %p", (name) => {
    const { bus } = createBus();
    expect(() => bus.on(name as string, () => null)).toThrow(TypeError);
    expect(bus.size).toBe(0);
  });

  test("on() throws a TypeError when the handler is no function or the order unknown", () => {
    const { bus } = createBus();
    expect(() => bus.on("a", "handler" as unknown as () => void)).toThrow(
      new TypeError('Cannot listen to "a": the handler is of type string, not a function'),
    );
    expect(() => bus.on("a", () => null, { order: "first" as "before" })).toThrow(TypeError);
  });

  test.each([0, -1, Number.NaN, Infinity, 2 ** 31, "5" as unknown as number])(
    "on() throws a RangeError when the timeout is %p",
    (timeout_ms) => {
      expect(() => createBus().bus.on("a", () => null, { timeout_ms })).toThrow(RangeError);
      expect(() => createBus(timeout_ms)).toThrow(RangeError);
    },
  );

  test("on() returns an undo that removes only its own handler when called twice", async () => {
    const { bus } = createBus();
    const undo = bus.on("a", returnOne);
    bus.on("a", returnOne);
    undo();
    undo();
    expect(bus.size).toBe(1);
    expect(await bus.emit("a")).toHaveLength(1);
  });

  test("on() calls a once handler a single time when it emits the event itself and emits overlap", async () => {
    const { bus, reported } = createBus();
    let calls = 0;
    bus.on(
      "a",
      async () => {
        calls++;
        await bus.emit("a");
      },
      { once: true },
    );
    await Promise.all([bus.emit("a"), bus.emit("a")]);
    expect(calls).toBe(1);
    expect(bus.size).toBe(0);
    expect(reported).toEqual([]);
  });

  test("list() shows the handlers in running order when asked for all or for one source", () => {
    const { bus } = createBus(700);
    bus.on("b", () => null, { order: "after", source: "blog", timeout_ms: 10 });
    bus.on("a.*", () => null, { once: true });
    const blog = { event: "b", order: "after", once: false, timeout_ms: 10, source: "blog" } as const;
    expect(bus.list()).toEqual([
      { event: "a.*", order: "normal", once: true, timeout_ms: 700, source: null },
      blog,
    ]);
    expect(bus.list({ source: "blog" })).toEqual([blog]);
    expect(bus.list({ source: null })).toHaveLength(1);
    expect(bus.size).toBe(2);
  });
});

describe("emit()", () => {
  test("emit() hands over the event when the handler takes it apart", async () => {
    const { bus } = createBus();
    const data = { id: 1 };
    bus.on("a.b", ({ name, data: given, source, at }) => ({
      name,
      same: given === data,
      source,
      at: at.toISOString(),
    }));
    const [result] = await bus.emit("a.b", data, { source: "blog" });
    expect(result?.value).toEqual({
      name: "a.b",
      same: true,
      source: "blog",
      at: "2026-01-02T03:04:05.000Z",
    });
  });

  test("emit() resolves with one result per handler when some are sync and some async", async () => {
    const { bus } = createBus();
    bus.on("a", () => 1, { source: "one" });
    bus.on("a", () => Promise.resolve(2));
    bus.on("a", () => undefined);
    const results = await bus.emit("a");
    expect([...results]).toEqual([
      { source: "one", status: "ok", value: 1, duration_ms: expect.any(Number) },
      { source: null, status: "ok", value: 2, duration_ms: expect.any(Number) },
      { source: null, status: "ok", duration_ms: expect.any(Number) },
    ]);
    expect(results.cancelled).toBe(false);
    expect(results.cancel_reason).toBeNull();
  });

  test("emit() gives the same frozen results when nobody listens", async () => {
    const { bus } = createBus();
    const first = bus.emit("a");
    expect(bus.emit("b")).toBe(first);
    expect(Object.isFrozen(await first)).toBe(true);
    expect((await first).cancelled).toBe(false);
  });

  test.each(["", "a.*", "*", "a b", 3])("emit() throws a TypeError at once when the name is %p", (name) => {
    const { bus } = createBus();
    bus.on("*", () => null);
    expect(() => bus.emit(name as string)).toThrow(TypeError);
  });

  test("emit() leaves out a handler that is added while it runs and one that is removed before its turn", async () => {
    const { bus } = createBus();
    const calls: string[] = [];
    bus.on("a", () => {
      calls.push("first");
      undo();
      bus.on("a", () => calls.push("added"));
    });
    const undo = bus.on("a", () => calls.push("removed"));
    expect(await bus.emit("a")).toHaveLength(1);
    expect(calls).toEqual(["first"]);
    await bus.emit("a");
    expect(calls).toEqual(["first", "first", "added"]);
  });

  test("emit() sees handlers of a name that it has cached when they are added later", async () => {
    const { bus } = createBus();
    for (let index = 0; index < 1500; index++) await bus.emit(`a.${index}`);
    bus.on("a.*", () => null);
    expect(await bus.emit("a.3")).toHaveLength(1);
    expect(await bus.emit("a.1499")).toHaveLength(1);
  });
});

describe("cancel() and stop()", () => {
  test("cancel() keeps the later handlers from running when a before handler calls it", async () => {
    const { bus, reported } = createBus();
    const calls: string[] = [];
    bus.on("a", ({ cancel }) => cancel("too late"), { order: "before" });
    bus.on("a", () => calls.push("before"), { order: "before" });
    bus.on("a", () => calls.push("once"), { once: true });
    bus.on("a", () => calls.push("after"), { order: "after" });
    const results = await bus.emit("a");
    expect(statuses(results)).toEqual(["ok", "cancelled", "cancelled", "cancelled"]);
    expect(results.cancelled).toBe(true);
    expect(results.cancel_reason).toBe("too late");
    expect(calls).toEqual([]);
    expect(bus.size).toBe(4);
    expect(reported).toEqual([]);
  });

  test("cancel() counts, with its first reason, when the handler then throws", async () => {
    const { bus, reported } = createBus();
    bus.on(
      "a",
      ({ cancel }) => {
        cancel();
        cancel("second");
        throw new Error("broken");
      },
      { order: "before" },
    );
    const results = await bus.emit("a");
    expect(statuses(results)).toEqual(["threw"]);
    expect(results.cancelled).toBe(true);
    expect(results.cancel_reason).toBeNull();
    expect(reported).toHaveLength(1);
  });

  test.each(["normal", "after"] as const)(
    "cancel() throws and changes nothing when a handler is %p",
    async (order) => {
      const { bus, reported } = createBus();
      bus.on("a", ({ cancel }) => cancel("no"), { order });
      bus.on("a", () => null, { order });
      const results = await bus.emit("a");
      expect(statuses(results)).toEqual(["threw", "ok"]);
      expect(results.cancelled).toBe(false);
      expect(reported[0]?.error).toBeInstanceOf(TypeError);
    },
  );

  test("cancel() throws when the handler has ended", async () => {
    const { bus } = createBus();
    let late: (() => void) | null = null;
    bus.on("a", ({ cancel }) => (late = cancel), { order: "before" });
    bus.on("a", () => late?.());
    const results = await bus.emit("a");
    expect(statuses(results)).toEqual(["ok", "threw"]);
    expect(results.cancelled).toBe(false);
  });

  test("stop() keeps the later handlers from running when any handler calls it", async () => {
    const { bus } = createBus();
    bus.on("a", ({ stop }) => stop());
    bus.on("a", () => null, { order: "after" });
    const results = await bus.emit("a");
    expect(statuses(results)).toEqual(["ok", "stopped"]);
    expect(results.cancelled).toBe(false);
  });
});
