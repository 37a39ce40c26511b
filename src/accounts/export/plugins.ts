import type { HookBus } from "../../hooks/bus.ts";
import type { HookResult } from "../../hooks/handlers.ts";
import type { Account } from "../people/users.ts";

/** Characters of JSON that a plugin may add, all of its handlers together. */
const MAX_CHARACTERS = 16 * 1024 * 1024;

/** What plugins hold of somebody. */
export interface PluginContents {
  /** By the name of the plugin, as JSON. */
  readonly parts: ReadonlyMap<string, string>;
  /** Those whose part is missing, and why. */
  readonly missing: readonly { readonly plugin: string; readonly reason: string }[];
}

/** Asks plugins what they hold of somebody, by `user.exporting`. One that fails, or is late, is named and stops no other. */
export async function collectFromPlugins(
  hooks: HookBus,
  { id, email, full_name }: Account,
): Promise<PluginContents> {
  const results = await hooks.emit("user.exporting", { user: { id, email, full_name } });
  const parts = new Map<string, string>();
  const missing: { plugin: string; reason: string }[] = [];
  const byPlugin = Map.groupBy(
    results.filter(({ source }) => source !== null),
    ({ source }) => source ?? "",
  );
  for (const [plugin, own] of byPlugin) {
    const written = write(own);
    if (written === null) continue;
    if ("reason" in written) missing.push({ plugin, reason: written.reason });
    else parts.set(plugin, written.json);
  }
  return { parts, missing };
}

/** Writes what the handlers of a plugin have returned: the value of one, a list of those of several. Null for none. */
function write(
  results: readonly HookResult[],
): { readonly json: string } | { readonly reason: string } | null {
  const failed = results.find(({ status }) => status !== "ok");
  if (failed !== undefined) return { reason: toReason(failed) };
  const values = results.flatMap((result) => (result.value === undefined ? [] : [result.value]));
  if (values.length === 0) return null;
  const json = toJson(values.length === 1 ? values[0] : values);
  if (json === null) return { reason: "What it holds can't be written as JSON" };
  return json.length <= MAX_CHARACTERS ? { json } : { reason: "What it holds is larger than 16 MB" };
}

function toReason({ status }: HookResult): string {
  if (status === "timed_out") return "It took too long";
  return status === "threw" ? "It failed" : "Another plugin kept it from being asked";
}

/** Returns null for what JSON can't hold, such as what refers to itself. */
function toJson(value: unknown): string | null {
  try {
    const json = JSON.stringify(value) as string | undefined;
    return json === undefined ? null : json.toWellFormed();
  } catch {
    return null;
  }
}
