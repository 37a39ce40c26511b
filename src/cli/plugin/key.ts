import { readFile, writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import { Command } from "commander";
import { createSigningKey, parseSigningKey } from "../../plugins/remote/publish/signing-key.ts";
import type { CommandContext } from "../open/command-context.ts";
import { toExamples } from "../terminal/output.ts";

/** `xcore plugin key FILE`: makes a key to sign plugins with, and prints its public half. */
export function pluginKeyCommand(context: CommandContext): Command {
  return new Command("key")
    .description(
      "Make a file with a key to sign plugins with, which only you may read, and print its public key. " +
        "Of a file that exists, print the public key",
    )
    .argument("<file>", "where the key is kept; keep it secret and don't lose it")
    .option("--json", "print JSON")
    .addHelpText("after", toExamples("xcore plugin key signing.pem"))
    .action(async (name: string, { json }: { json?: boolean }) => {
      const file = resolve(context.cwd, name);
      const isNew = await makeKeyFile(file);
      const { publicKey } = await parseSigningKey(await readFile(file, "utf8"), name);
      if (json === true) {
        context.print(JSON.stringify({ file, public_key: publicKey, is_new: isNew }, null, 2));
        return;
      }
      if (isNew) context.warn(`Made ${name}: keep it secret. Its public key, for plugins.trusted_keys:`);
      context.print(publicKey);
    });
}

/** Returns false where there is a file already. */
async function makeKeyFile(file: string): Promise<boolean> {
  try {
    await writeFile(file, await createSigningKey(), { flag: "wx", mode: 0o600 });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}
