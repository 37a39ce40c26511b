import { expect, test } from "bun:test";
import * as fc from "fast-check";
import type { Arbitrary } from "fast-check";

export { fc };

/**
 * Where the random inputs of all properties begin: the same in every run. `XCORE_TEST_SEED=7` takes others, and
 * `XCORE_TEST_RUNS=20` twenty times as many of them.
 */
const SEED = Number(process.env["XCORE_TEST_SEED"] ?? 20_261_127);
const FACTOR = Number(process.env["XCORE_TEST_RUNS"] ?? 1);
/** Text that means something to someone. */
const SPECIAL =
  "\0 \r\n ' \" ` \\ % %00 %zz ../ <script> {{ }} {% ${ $1 __proto__ constructor \uD800 \uFEFF \u202E NaN -0 1e999 é 👩‍💻".split(
    " ",
  );
const RUNS = 300;
const MAX_INPUT_MS = 2000; // of processor time, for one input
const TIMEOUT_MS = 120_000;

/**
 * Declares a test that something holds for each of some hundred inputs, and takes no input long. One that breaks it is made as small
 * as it can be, and shown with the seed.
 */
export function testProperty<Inputs extends [unknown, ...unknown[]]>(
  name: string,
  inputs: { [Index in keyof Inputs]: Arbitrary<Inputs[Index]> },
  check: (...values: Inputs) => void | Promise<void>,
  runs = RUNS,
): void {
  const property = fc.asyncProperty<Inputs>(...inputs, async (...values) => {
    const before = process.cpuUsage();
    await check(...values);
    const { user, system } = process.cpuUsage(before);
    expect((user + system) / 1000).toBeLessThan(MAX_INPUT_MS);
  });
  test(name, () => fc.assert(property, toRuns(runs)), TIMEOUT_MS * FACTOR);
}

/** Where random inputs begin, and how many there are. */
export function toRuns(runs: number): { readonly seed: number; readonly numRuns: number } {
  return { seed: SEED, numRuns: runs * FACTOR };
}

/** Texts of anything: letters, controls, what isn't well-formed, and what means something somewhere. */
export function anyText(maxLength = 200): Arbitrary<string> {
  const special = fc.constantFrom(...SPECIAL);
  const pieces = fc.oneof(fc.string({ unit: "binary", maxLength: 20 }), special);
  return fc.array(pieces, { maxLength: 12 }).map((parts) => parts.join("").slice(0, maxLength));
}
