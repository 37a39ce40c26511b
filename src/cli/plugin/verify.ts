import { Command } from "commander";
import { fail } from "../../plugins/failure/error-codes.ts";
import { type PluginVerification, verifyPlugin } from "../../plugins/remote/verification.ts";
import type { CommandContext } from "../open/command-context.ts";
import { openRemote } from "../open/remote.ts";
import { toExamples, toTable, withWaitNotice } from "../terminal/output.ts";

interface VerifyOptions {
  readonly offline?: boolean;
  readonly json?: boolean;
}

/** `xcore plugin verify [NAME]`: compares plugins from elsewhere with their pins, byte for byte. */
export function pluginVerifyCommand(context: CommandContext): Command {
  return new Command("verify")
    .description(
      "Compare the kept copies of plugins from elsewhere, and what each of their places gives now, with their pins. " +
        "Nothing is changed; exits with 1 when something differs, or when nothing is what is pinned",
    )
    .argument("[name]", "name of the plugin; without it, all of them")
    .option("--offline", "check the kept copies alone")
    .option("--json", "print JSON")
    .addHelpText("after", toExamples("xcore plugin verify", "xcore plugin verify invoices --offline"))
    .action(async (name: string | undefined, options: VerifyOptions, command: Command) => {
      const { settings, store, fetch } = openRemote(command, context, options);
      const { entries, trustedKeys, limits } = settings;
      if (name !== undefined && !Object.hasOwn(entries, name)) {
        const message = `Cannot verify "${name}": plugins.remote doesn't list it`;
        throw fail("plugin_not_found", message);
      }
      const names = name === undefined ? Object.keys(entries).toSorted() : [name];
      const results: PluginVerification[] = [];
      const how = { store, fetch, trustedKeys, isOffline: limits.isOffline };
      for (const one of names) {
        const verifying = verifyPlugin(one, entries[one] ?? {}, how);
        // oxlint-disable-next-line no-await-in-loop -- one plugin's bytes in memory at a time
        results.push(await withWaitNotice(`Fetching ${one} …`, verifying, context.warn));
      }
      if (options.json === true) context.print(JSON.stringify(results, null, 2));
      else
        context.print(
          results.map(toText).join("\n\n") || "Nothing to verify: plugins.remote lists no plugin",
        );
      const wrong = results.filter(({ ok }) => !ok).map((result) => result.name);
      if (wrong.length === 0) return;
      throw fail("plugin_refused", `Cannot vouch for ${wrong.join(", ")}: see above`);
    });
}

function toText({ name, integrity, copies, distrust }: PluginVerification): string {
  if (integrity === null) return `${name}: not pinned; run \`xcore plugin update ${name}\``;
  const rows = copies.map(({ where, state, reason }) => [
    `  ${where}`,
    reason === null ? state : `${state}: ${reason}`,
  ]);
  const lines = [
    `${name} ${integrity}`,
    ...(rows.length === 0 ? ["  there is no copy here"] : [toTable(rows)]),
    ...(distrust === null ? [] : [`  signature: ${distrust}`]),
  ];
  return lines.join("\n");
}
