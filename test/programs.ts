import { test } from "bun:test";

/**
 * Declares a test that needs a program of the machine. Without the program it is skipped, which is said loudly;
 * where CI=true it fails.
 *
 * @param run gets the absolute path of the program
 */
export function testWithProgram(
  program: string,
  name: string,
  run: (path: string) => Promise<void>,
  timeoutMs = 30_000,
): void {
  const path = Bun.which(program);
  testUnlessMissing(path === null ? program : null, name, () => run(path ?? program), timeoutMs);
}

/** Declares a test that can't run while a program is missing: then it is skipped loudly, and fails where CI=true. */
export function testUnlessMissing(
  missing: string | null,
  name: string,
  run: () => Promise<void>,
  timeoutMs: number,
): void {
  if (missing === null) {
    test(name, run, timeoutMs);
    return;
  }
  const message = `"${missing}" is not on the PATH: install it to run the test "${name}"`;
  if (process.env["CI"] === "true") {
    test(name, () => {
      throw new Error(message);
    });
    return;
  }
  process.stderr.write(`\n!!! SKIPPED: ${message}\n\n`);
  test.skip(name, () => {});
}
