import { spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";

/** A small file system; null where a test may not mount one. */
export function mountSmall(folder: string, size: string): Disposable | null {
  mkdirSync(folder, { recursive: true });
  const { status } = spawnSync("mount", ["-t", "tmpfs", "-o", `size=${size}`, "tmpfs", folder]);
  return status === 0 ? { [Symbol.dispose]: () => void spawnSync("umount", [folder]) } : null;
}
