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
  if (path !== null) {
    test(name, () => run(path), timeoutMs);
    return;
  }
  const message = `"${program}" is not on the PATH: install it to run the test "${name}"`;
  if (process.env["CI"] === "true") {
    test(name, () => {
      throw new Error(message);
    });
    return;
  }
  process.stderr.write(`\n!!! SKIPPED: ${message}\n\n`);
  test.skip(name, () => {});
}
