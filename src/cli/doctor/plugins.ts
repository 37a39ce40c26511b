import type { Command } from "commander";
import { askRunningServer } from "../../app/command-channel.ts";
import { verifyPlugin } from "../../plugins/remote/verification.ts";
import type { CommandContext } from "../open/command-context.ts";
import type { CommandPlugins } from "../open/plugins.ts";
import { openRemote } from "../open/remote.ts";
import { toCount } from "../terminal/output.ts";
import { type Finding, ok, problem, toMessage, warning } from "./findings.ts";

/** Looks at the plugins' manifests, and at what the running server says of them. */
export async function checkPlugins({ loaded, plugins }: CommandPlugins): Promise<Finding[]> {
  const { remote } = loaded.config.plugins;
  const findings = [...plugins.problems]
    // What keeps one from elsewhere from being read, its pin tells.
    .filter(([name]) => !Object.hasOwn(remote, name))
    .map(([name, error]) =>
      problem("plugins", `${name}: ${toMessage(error)}`, "mend it, and look with `xcore plugin list`"),
    );
  const running = (await askRunningServer(loaded)) ?? [];
  for (const { name, failure, serving } of running) {
    // What stands in a manifest is said already.
    if (failure === null || plugins.problems.has(name)) continue;
    const message = `${name} can't be loaded: ${failure.message.split("\n")[0] ?? ""}`;
    const advice = serving
      ? "mend it: its last good version serves"
      : "mend it, and save: it is loaded at once";
    findings.push((serving ? warning : problem)("plugins", message, advice));
  }
  return findings.length > 0
    ? findings
    : [ok("plugins", `${toCount(plugins.loadable.length, "plugin")} to load`)];
}

/** Compares what is kept of plugins from elsewhere with their pins. */
export async function checkPins(command: Command, context: CommandContext): Promise<Finding[]> {
  const { settings, store, fetch } = openRemote(command, context, { offline: true });
  const how = { store, fetch, trustedKeys: settings.trustedKeys, isOffline: true };
  const findings: Finding[] = [];
  for (const [name, entry] of Object.entries(settings.entries)) {
    // oxlint-disable-next-line no-await-in-loop -- one plugin's bytes in memory at a time
    const { integrity, copies, distrust } = await verifyPlugin(name, entry, how);
    const differing = copies.find(({ state }) => state === "differs");
    if (integrity === null)
      findings.push(problem("plugins", `${name} isn't pinned`, `run \`xcore plugin update ${name}\``));
    else if (differing !== undefined) {
      const message = `${name}: the copy in ${differing.where} isn't what is pinned`;
      findings.push(problem("plugins", message, `run \`xcore plugin verify ${name}\`, and delete that copy`));
    } else if (distrust !== null)
      findings.push(
        problem("plugins", `${name}: ${distrust}`, "trust its key in plugins.trusted_keys, or remove it"),
      );
    else if (copies.every(({ state }) => state !== "ok")) {
      const message = `${name} isn't here yet: the next start fetches it`;
      findings.push(
        warning("plugins", message, "run `xcore plugin vendor` to have it where there is no network"),
      );
    }
  }
  return findings;
}
