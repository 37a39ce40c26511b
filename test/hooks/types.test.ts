import { expect, expectTypeOf, test } from "bun:test";
import { createHookBus } from "../../src/hooks/bus.ts";
import type { HookResults } from "../../src/hooks/bus.ts";
import type { HookEvents } from "../../src/hooks/events.ts";

interface Invoice {
  id: number;
}

declare module "../../src/hooks/events.ts" {
  interface HookEvents {
    "types_test.created": Invoice;
  }
}

test("on() and emit() are typed by HookEvents when the name is known", async () => {
  const bus = createHookBus({ onError: () => undefined });
  bus.on("types_test.created", ({ data }) => expectTypeOf(data).toEqualTypeOf<Invoice>());
  bus.on("server.started", ({ data }) =>
    expectTypeOf(data).toEqualTypeOf<{ url: string; version: string }>(),
  );
  bus.on("plugin.failed", ({ data }) => expectTypeOf(data).toEqualTypeOf<HookEvents["plugin.failed"]>());
  bus.on("types_test.unknown", ({ data }) => expectTypeOf(data).toEqualTypeOf<unknown>());
  bus.on("types_test.*", ({ data }) => expectTypeOf(data).toEqualTypeOf<unknown>());

  expectTypeOf(await bus.emit("types_test.created", { id: 1 })).toEqualTypeOf<HookResults>();
  // @ts-expect-error the id is a number
  await bus.emit("types_test.created", { id: "1" });
  // @ts-expect-error the data is missing
  await bus.emit("server.stopping");
  await bus.emit("types_test.unknown");
  await bus.emit("types_test.unknown", { anything: true }, { source: "blog" });
  expect(bus.size).toBe(5);
});
