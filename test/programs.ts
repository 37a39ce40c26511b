import { test } from "bun:test";

/** Chromium without what shows windows, of which a page costs a quarter, or else the whole. */
export const CHROMIUM: readonly string[] = [
  "/usr/lib/chromium/chromium-headless-shell", // Debian's own command is a shell, which outlives it and is outlived by it
  "chromium-headless-shell",
  "chromium",
];

/**
 * Declares a test that needs a program of the machine. Without the program it is skipped, which is said loudly;
 * where CI=true it fails.
 *
 * @param program its name, or several of which the first that is there is taken
 * @param run gets the absolute path of the program
 */
export function testWithProgram(
  program: string | readonly string[],
  name: string,
  run: (path: string) => Promise<void>,
  timeoutMs = 120_000,
): void {
  const names = [program].flat();
  const path = names.map((one) => Bun.which(one)).find((one) => one !== null) ?? "";
  testUnlessMissing(path === "" ? (names.at(-1) ?? "") : null, name, () => run(path), timeoutMs);
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
