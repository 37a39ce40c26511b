import { text } from "node:stream/consumers";
import { assertPassword } from "../../accounts/login/passwords.ts";
import { fail } from "../../errors/codes.ts";
import { askNewPassword } from "../terminal/hidden-prompt.ts";

/**
 * Returns the new password of an account: from standard input, or asked for twice on the terminal.
 *
 * @throws AppError validation_error for one that can't be used
 * @throws AppError password_required where there is neither
 */
export async function readNewPassword({ fromStdin }: { readonly fromStdin: boolean }): Promise<string> {
  const password = await readPassword(fromStdin);
  assertPassword(password);
  return password;
}

async function readPassword(fromStdin: boolean): Promise<string> {
  if (fromStdin) return (await text(process.stdin)).replace(/\r?\n$/, "");
  if (process.stdin.isTTY) return askNewPassword({ input: process.stdin, output: process.stderr });
  const message = "Cannot ask for a password without a terminal: add --password-stdin";
  throw fail("password_required", message);
}
