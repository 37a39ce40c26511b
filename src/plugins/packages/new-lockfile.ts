import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PluginError } from "../failure/failure.ts";
import { toBunReason } from "./bun-output.ts";
import { runBun } from "./bun-process.ts";
import { readBunLock } from "./lockfile.ts";
import { copyRegistrySettings } from "./registry-settings.ts";

/**
 * Makes the bun.lock of a package.json: exact versions with digests of all that its dependencies bring. Nothing is
 * installed.
 *
 * @param projectDirectory folder of config.json, whose settings of npm registries apply
 * @throws PluginError when a package can't be found
 */
export async function createLockfile(
  packageJson: Uint8Array,
  { projectDirectory }: { readonly projectDirectory: string },
): Promise<Uint8Array> {
  // Elsewhere: in its place it could be taken for a part of a workspace.
  const folder = await mkdtemp(join(tmpdir(), "xcore-lock-"));
  try {
    await writeFile(join(folder, "package.json"), packageJson);
    const env = await copyRegistrySettings(projectDirectory, folder);
    const args = ["install", "--lockfile-only", "--ignore-scripts", "--save-text-lockfile"];
    const { code, output } = await runBun(args, { cwd: folder, env });
    if (code !== 0) throw new Error(toBunReason(output));
    const content = await readFile(join(folder, "bun.lock"));
    readBunLock(content); // what others would refuse is not published
    return content;
  } catch (error) {
    if (error instanceof PluginError) throw error;
    const reason = (error as Error).message;
    throw new PluginError("install", `Cannot make bun.lock for package.json: ${reason}`, { cause: error });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
