import { Command } from "commander";
import { type JsonObject, mergeValues, valueAt } from "../../config/json/values.ts";
import type { App } from "../../app/app.ts";
import { maskConfig, readSetting } from "../../config/load.ts";
import { fail } from "../../errors/codes.ts";
import { SettingsError } from "../../plugins/failure/failure.ts";
import type { SharedStates } from "../../plugins/shared-states.ts";
import { type CommandContext, loadFor } from "../open/command-context.ts";
import { withSharedStates } from "../open/database.ts";
import { inspect } from "../open/inspection.ts";
import { openRemote } from "../open/remote.ts";
import { toExamples } from "../terminal/output.ts";

const OFFLINE = { plugins: { offline: true } } as const;

/** `xcore plugin config NAME [KEY [VALUE]]`: shows the settings of a plugin, or sets one; running servers follow. */
export function pluginConfigCommand(context: CommandContext): Command {
  return new Command("config")
    .description(
      "Show the settings of a plugin, or set one, in plugins.settings and with redis.url on all instances; running servers follow",
    )
    .argument("<name>", "name of the plugin")
    .argument("[key]", "which setting, with dots between levels")
    .argument(
      "[value]",
      'what it is set to: a number, true, false, null, JSON, or text; "${NAME}" for a variable',
    )
    .option("--unset", "take the key out again")
    .addHelpText(
      "after",
      toExamples(
        "xcore plugin config invoices",
        "xcore plugin config invoices due_days 30",
        "xcore plugin config invoices mail.password '${MAIL_PASSWORD}'",
        "xcore plugin config invoices due_days --unset",
      ),
    )
    .action(
      (name: string, key: string | undefined, value: string | undefined, options: Flags, command: Command) =>
        withSharedStates(command, context, async (shared) => {
          const change = toChange(name, key, { value, isUnset: options.unset === true });
          const parts = { command, context, shared };
          if (change === null || (change.text === null && options.unset !== true))
            show(name, change?.path ?? [], parts);
          else await set(name, change, parts);
        }),
    );
}

interface Flags {
  readonly unset?: boolean;
}

interface Parts {
  readonly command: Command;
  readonly context: CommandContext;
  readonly shared: SharedStates | null;
}

/** A key, and what it is set to: null for nothing. */
interface Change {
  readonly path: readonly string[];
  readonly text: string | null;
}

/** @throws AppError validation_error for what can't be meant */
function toChange(
  name: string,
  key: string | undefined,
  { value, isUnset }: { readonly value: string | undefined; readonly isUnset: boolean },
): Change | null {
  if (key === undefined) {
    if (!isUnset) return null;
    throw fail("validation_error", `Cannot set "${name}": name the key that is to be taken out`);
  }
  if (isUnset && value !== undefined) {
    throw fail("validation_error", `Cannot set "${key}": give a value or --unset`);
  }
  const path = key.split(".");
  if (path.some((part) => part === "" || part === "__proto__")) {
    throw fail(
      "validation_error",
      `Cannot set "${key}": a key has names with dots between, such as "mail.host"`,
    );
  }
  return { path, text: value ?? null };
}

/** Prints what applies here, with secrets masked. @throws AppError not_found for a key that isn't set */
function show(name: string, path: readonly string[], { command, context, shared }: Parts): void {
  const loaded = loadFor(command, context, OFFLINE, shared?.config);
  const value = valueAt(maskConfig(loaded).plugins.settings, [name, ...path]);
  if (value === undefined && path.length > 0) {
    throw fail(
      "not_found",
      `Cannot show "${path.join(".")}": config.json doesn't set it; its default is the plugin's`,
    );
  }
  context.print(JSON.stringify(value ?? {}, null, 2));
}

/** @throws AppError config_invalid for what the plugin doesn't take */
async function set(name: string, { path, text }: Change, { command, context, shared }: Parts): Promise<void> {
  const value = text === null ? undefined : readSetting(text);
  if (value !== undefined) {
    const asked = { plugins: { settings: { [name]: nest(path, value) } } };
    await assertTaken(name, path, { command, context, shared: mergeValues(shared?.config ?? {}, asked) });
  } else assertSet(name, path, { command, context, shared });
  await shared?.setSettings(name, [{ path, value }]);
  const { installer, configName } = openRemote(command, context, { offline: true });
  await installer.setSettings(name, [{ path, value }]);
  const places = [shared === null ? [] : "on all instances", `in ${configName}`].flat();
  const done = value === undefined ? "is not set any more" : "is set now";
  context.print(`${[name, ...path].join(".")} ${done}, ${places.join(" and ")}`);
}

/** What is left of a plugin that is gone can be taken out as well. @throws AppError not_found for what isn't set */
function assertSet(name: string, path: readonly string[], { command, context, shared }: Parts): void {
  const { settings } = loadFor(command, context, OFFLINE, shared?.config).config.plugins;
  if (valueAt(settings, [name, ...path]) !== undefined) return;
  throw fail(
    "not_found",
    `Cannot take "${path.join(".")}" out: nothing sets it for a plugin "${name}"; see \`xcore plugin list\``,
  );
}

/** Loads the plugin with what is to be set, and starts nothing of it; what else is wrong is no reason to refuse. */
async function assertTaken(
  name: string,
  path: readonly string[],
  { command, context, shared }: Omit<Parts, "shared"> & { readonly shared: JsonObject },
): Promise<void> {
  const find = ({ plugins }: App) => plugins.list().find((record) => record.name === name);
  const record = await inspect(command, context, find, { flags: OFFLINE, shared, goesOn: true });
  if (record === undefined) {
    throw fail(
      "not_found",
      `Cannot set "${path.join(".")}": there is no plugin "${name}"; see \`xcore plugin list\``,
    );
  }
  const key = ["plugins", "settings", name, ...path].join(".");
  const problems = record.failure instanceof SettingsError ? record.failure.problems : [];
  const lines = problems
    .filter((problem) => `${problem.path}.`.startsWith(`${key}.`) || `${key}.`.startsWith(`${problem.path}.`))
    .map((problem) => `\n  ${problem.path}: ${problem.message}`);
  if (lines.length > 0) throw fail("config_invalid", `Cannot set "${path.join(".")}":${lines.join("")}`);
}

function nest(path: readonly string[], value: unknown): JsonObject {
  return path.toReversed().reduce<unknown>((inner, key) => ({ [key]: inner }), value) as JsonObject;
}
