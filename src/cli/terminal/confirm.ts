import { createInterface } from "node:readline/promises";
import { fail } from "../../errors/codes.ts";

/**
 * Asks a yes-or-no question on the terminal; anything but "y" or "yes" is no, Ctrl+C and Ctrl+D too.
 *
 * @throws AppError confirmation_required where nobody can answer: `--yes` says yes beforehand
 */
export async function confirm(question: string): Promise<boolean> {
  if (!process.stdin.isTTY) {
    throw fail("confirmation_required", `Cannot ask "${question}" without a terminal: add --yes`);
  }
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await terminal.question(`${question} [y/N] `);
    return /^y(es)?$/i.test(answer.trim());
  } catch (error) {
    if (!(error instanceof Error) || error.name !== "AbortError") throw error;
    process.stderr.write("\n");
    return false;
  } finally {
    terminal.close();
  }
}
