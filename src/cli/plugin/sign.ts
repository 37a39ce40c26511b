import { readFile, stat } from "node:fs/promises";
import { resolve } from "node:path";
import { Command } from "commander";
import { fail } from "../../errors/codes.ts";
import { signPlugin } from "../../plugins/remote/publish/publish.ts";
import { parseSigningKey, type SigningKey } from "../../plugins/remote/publish/signing-key.ts";
import type { CommandContext } from "../open/command-context.ts";
import { toExamples } from "../terminal/output.ts";
import { findPluginTarget } from "../open/plugin-target.ts";

interface SignOptions {
  readonly key: string;
  readonly json?: boolean;
}

/** `xcore plugin sign NAME|DIR|FILE --key FILE`: signs a plugin as it is now. */
export function pluginSignCommand(context: CommandContext): Command {
  return new Command("sign")
    .description(
      "Sign a plugin as it is now. The signature goes into a file beside it, plugin.json.sig or hello.ts.sig, " +
        "which you publish with it; into a .tgz, it goes itself",
    )
    .argument(
      "<plugin>",
      "name of a plugin in the plugins directory, or path of a folder, a module or a .tgz",
    )
    .requiredOption("--key <file>", "key made by `xcore plugin key`")
    .option("--json", "print JSON")
    .addHelpText(
      "after",
      toExamples(
        "xcore plugin sign crm-1.2.0.tgz --key signing.pem",
        "xcore plugin sign ./public/crm --key signing.pem",
      ),
    )
    .action(async (text: string, { key: keyFile, json }: SignOptions, command: Command) => {
      const target = await findPluginTarget(text, command, context);
      const key = await readKey(keyFile, context);
      const { integrity, file } = await signPlugin(target, key);
      context.print(
        json === true
          ? JSON.stringify({ integrity, file, key: key.publicKey }, null, 2)
          : `Signed ${target.shown} (${integrity}) with ${key.publicKey}`,
      );
    });
}

async function readKey(name: string, context: CommandContext): Promise<SigningKey> {
  const file = resolve(context.cwd, name);
  const text = await readFile(file, "utf8").catch((error: NodeJS.ErrnoException) => {
    const advice = "make a key with `xcore plugin key FILE`";
    throw fail("not_found", `Cannot read key "${name}": ${error.code}; ${advice}`);
  });
  const key = await parseSigningKey(text, name);
  const { mode } = await stat(file);
  const isShared = process.platform !== "win32" && (mode & 0o077) !== 0;
  if (isShared) context.warn(`Others may read ${name}: run \`chmod 600 ${name}\``);
  return key;
}
