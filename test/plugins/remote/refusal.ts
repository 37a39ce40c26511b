import { expect } from "bun:test";
import { PluginError } from "../../../src/plugins/failure/failure.ts";

/** The message with which what is fetched or kept is refused; fails the test when it isn't. */
export async function refusalOf(promise: Promise<unknown>): Promise<string> {
  const error: unknown = await promise.then(
    () => null,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(PluginError);
  expect((error as PluginError).stage).toBe("fetch");
  return (error as PluginError).message;
}
