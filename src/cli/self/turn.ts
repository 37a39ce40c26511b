import { readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fail } from "../../errors/codes.ts";
import { isRunning } from "../../files/temporary-folder.ts";
import { unwritable } from "./candidate.ts";

/** No update takes so long: its number is that of another process by now. */
const STALE_MS = 3_600_000;

/**
 * Has this process be the only one that replaces an executable while it works: of two, the second would take what the first
 * is still trying for the one before. What killed ones have left is removed.
 *
 * @throws AppError update_failed where another is at it, or nothing can be written there
 */
export async function inTurn<T>(executable: string, work: () => Promise<T>): Promise<T> {
  const leave = takeTurn(executable);
  try {
    return await work();
  } finally {
    leave();
  }
}

/** @returns what lets another have it */
function takeTurn(executable: string): () => void {
  const folder = dirname(executable);
  const [turns, candidates] = [`.${basename(executable)}.updating-`, `.${basename(executable)}.new-`];
  const own = join(folder, `${turns}${process.pid}`);
  try {
    writeFileSync(own, "");
  } catch (error) {
    throw unwritable(executable, error);
  }
  const leave = (): void => rmSync(own, { force: true });
  try {
    // After its own is there: of two that begin at once, each sees the other.
    const names = readdirSync(folder);
    for (const name of names.filter((one) => one.startsWith(turns))) {
      const pid = Number(name.slice(turns.length));
      if (pid === process.pid) continue;
      if (isRunning(pid) && isRecent(join(folder, name)))
        throw fail("update_failed", `Cannot update: process ${pid} is at it already; nothing was changed`);
      rmSync(join(folder, name), { force: true });
    }
    for (const name of names) if (name.startsWith(candidates)) rmSync(join(folder, name), { force: true });
    return leave;
  } catch (error) {
    leave();
    throw error;
  }
}

function isRecent(path: string): boolean {
  const madeAt = statSync(path, { throwIfNoEntry: false })?.mtimeMs;
  return madeAt !== undefined && Date.now() - madeAt < STALE_MS;
}
