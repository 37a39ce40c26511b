import { mkdir } from "node:fs/promises";
import { dirname, relative, resolve } from "node:path";
import { Command } from "commander";
import { openCommandStores } from "../../app/command-stores.ts";
import { replaceFile } from "../../files/replace.ts";
import { executableDigest } from "../../plugins/build/executable.ts";
import { listPluginContents } from "../../plugins/contents/contents.ts";
import { fail } from "../../plugins/failure/error-codes.ts";
import { type CommandContext, loadFor } from "../open/command-context.ts";
import { toExamples, withWaitNotice } from "../terminal/output.ts";
import { listBundled } from "./bundled.ts";
import { toCycloneDx } from "./document.ts";

interface SbomOptions {
  readonly out?: string;
  readonly offline?: boolean;
}

/** `xcore sbom`: tells what the executable and the plugins of a project are made of. */
export function sbomCommand(context: CommandContext): Command {
  return new Command("sbom")
    .description(
      "Print a software bill of materials (CycloneDX 1.6): the npm packages in the executable, the plugins with their " +
        "digests, and their npm packages, with hashes and licences. Plugins and packages that aren't here yet are fetched",
    )
    .option("--json", "print JSON, which it does anyway")
    .option("--out <file>", "write this file (default: print it)")
    .option("--offline", "fetch nothing")
    .addHelpText("after", toExamples("xcore sbom > sbom.json", "xcore sbom --offline --out sbom.json"))
    .action(async ({ out, offline }: SbomOptions, command: Command) => {
      const loaded = loadFor(command, context, offline === true ? { plugins: { offline } } : {});
      const listing = listPluginContents(loaded, openCommandStores(loaded, context));
      const plugins = await withWaitNotice("Reading plugins …", listing, context.warn);
      const { version } = context;
      const contents = { version, digest: await digestExecutable(), bundled: await listBundled(), plugins };
      const text = JSON.stringify(toCycloneDx(contents), null, 2);
      if (out === undefined) context.print(text);
      else {
        const file = resolve(context.cwd, out);
        await mkdir(dirname(file), { recursive: true });
        await replaceFile(file, () => `${text}\n`);
        context.print(`Wrote ${relative(context.cwd, file)}`);
      }
      for (const { name, faults } of plugins) for (const fault of faults) context.warn(`${name}: ${fault}`);
      const unknown = plugins.filter(({ faults }) => faults.length > 0).map(({ name }) => name);
      if (unknown.length === 0) return;
      throw fail("plugin_unavailable", `Cannot list all that ${unknown.join(", ")} is made of: see above`);
    });
}

/** SHA-256 of the executable, in hex; null from sources. */
async function digestExecutable(): Promise<string | null> {
  if (executableDigest === null) return null;
  const hasher = new Bun.CryptoHasher("sha256");
  for await (const bytes of Bun.file(process.execPath).stream()) hasher.update(bytes);
  return hasher.digest("hex");
}
