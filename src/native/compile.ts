import type { FFIFunction, Library, ptr } from "bun:ffi";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** What was compiled. */
export interface NativeCode<Functions extends Record<string, FFIFunction>> {
  readonly functions: Library<Functions>["symbols"];
  /** Returns the address of memory. */
  readonly addressOf: typeof ptr;
}

/**
 * Compiles C into the process, by the compiler that Bun has in it. There are no headers: what it calls of the system it
 * declares itself. It is there for as long as what is returned is kept.
 *
 * @throws Error where that can't be had
 */
export async function compileC<Functions extends Record<string, FFIFunction>>(
  source: string,
  functions: Functions,
): Promise<NativeCode<Functions>> {
  const folder = mkdtempSync(join(tmpdir(), "xcore-native-"));
  try {
    const { cc, ptr: addressOf } = await import("bun:ffi");
    const file = join(folder, "code.c");
    writeFileSync(file, source);
    return { functions: cc({ source: file, symbols: functions }).symbols, addressOf };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
