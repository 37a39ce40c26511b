import { expect, test } from "bun:test";
import { createTestHost } from "xcore/testing";

test("says hello", async () => {
  await using host = await createTestHost({ plugins: [import.meta.dir] });
  const response = await host.fetch("/hello");
  expect(response.status).toBe(200);
  expect(await response.json()).toEqual({ message: "Hello from My Plugin!" });
});
