import type { Logger } from "pino";
import { writeAudit } from "../../accounts/people/audit.ts";
import type { CoreStore } from "../../accounts/people/store.ts";
import {
  formatKeyPath,
  isJsonObject,
  type JsonObject,
  type KeyPath,
  valueAt,
} from "../../config/json/values.ts";
import { ConfigError, type LoadedConfig, MASK, maskSettings } from "../../config/load.ts";
import { invalidRequest } from "../../errors/codes.ts";
import { AppError, type InputProblem, toPointer } from "../../errors/errors.ts";
import type { JsonSchema } from "../../errors/plain-schema.ts";
import { isSecretName } from "../../log/secret-names.ts";
import { fail } from "../failure/error-codes.ts";
import { fillSettings, type FilledSettings } from "../given/settings.ts";
import type { PluginRecord } from "../inventory/record.ts";
import type { PluginInstaller, SettingChange } from "../remote/installer.ts";
import { type SharedStates, withKeys } from "../shared-states.ts";
import type { PluginChange } from "./administration.ts";
import { followConfig, type FollowingOptions } from "./following.ts";

export interface PluginSettingsOptions extends FollowingOptions {
  readonly installer: PluginInstaller;
  /** What is asked on all instances; null where this is the only one. */
  readonly shared: SharedStates | null;
  readonly store: CoreStore;
  readonly log: Logger;
  /** The configuration that applies now. */
  readonly loaded: () => LoadedConfig;
  /** Loads the configuration, with keys set on all instances and with a text for that of config.json. @throws ConfigError */
  readonly load: (shared: JsonObject, text: string) => LoadedConfig;
  /** Marks versions of settings, which hold secrets. */
  readonly versionKey: Uint8Array;
}

/** One setting of a plugin: all that is below it is set together. */
export interface DescribedSetting {
  /** Such as "mail.host". */
  readonly key: string;
  readonly path: string[];
  /** What counts, secrets masked; missing for what has none. */
  readonly value?: unknown;
  /** What counts where nothing sets it, secrets masked. */
  readonly default?: unknown;
  /** "default", "manifest", "flag", "environment", ".env", "plugin config", or the file with line and column. */
  readonly source: string;
  /** For people: the variable, or the line of the file; "" for a default. */
  readonly where: string;
  /** Whether what sets it can't be changed from here. */
  readonly is_locked: boolean;
  readonly is_secret: boolean;
}

/** The settings of a plugin, to be shown and changed. */
export interface DescribedSettings {
  /** JSON Schema; null where the plugin declares none, or has never run. */
  readonly schema: JsonSchema | null;
  /** All that count, secrets masked: sent back as they are they stay as they are. */
  readonly settings: JsonObject;
  readonly items: DescribedSetting[];
  /** Tells these from others, of the same plugin. */
  readonly version: string;
}

const LOCKS: ReadonlySet<string> = new Set(["flag", "environment", ".env"]);
const MAX_TEXT = 1_000_000; // characters of config.json; a server reads no more than 16 MB
const TAGS = /(?:W\/)?"[^"]*"/g;

/** Shows the settings of plugins, and changes them in config.json. */
export class PluginSettingsDesk {
  readonly #options: PluginSettingsOptions;

  constructor(options: PluginSettingsOptions) {
    this.#options = options;
  }

  /** Describes the settings of a plugin as they count now. */
  describe(record: PluginRecord): DescribedSettings {
    return this.#describe(record, this.#options.loaded());
  }

  /**
   * Makes settings those that config.json has of a plugin, and where there are other instances, those of all of them:
   * what is as it was stays as it is written, what isn't sent goes back to its default. Resolves once the plugin has
   * been loaded with them, or has failed: the record says which.
   *
   * @param ifMatch version that whoever asks has seen, as in if-match; null for any
   * @throws AppError validation_error for what the plugin doesn't take, and for what is set elsewhere; precondition_failed;
   * conflict when config.json can't be used
   * @throws AppError for who may not do it
   */
  async change(
    record: PluginRecord,
    settings: JsonObject,
    { ifMatch, ...change }: PluginChange & { readonly ifMatch: string | null },
  ): Promise<DescribedSettings> {
    const { installer, shared } = this.#options;
    await change.assertAllowed();
    const { name } = record;
    const text = installer.readConfig();
    const before = this.#describe(record, this.#load(shared?.config ?? {}, text));
    assertSeen(ifMatch, before);
    const changes = planChanges(before, settings);
    if (changes.length === 0) return before;
    const asked = shared === null ? {} : withAsked(shared, name, changes);
    const written = installer.withSettings(text, name, changes);
    const after = this.#tryOut(record, { asked, text: written, changes });
    await this.#write(name, changes, text);
    await shared?.setSettings(name, changes);
    await this.#audit(name, change, { before, after, changes });
    await followConfig(this.#options, record.id);
    return this.describe(record);
  }

  #load(asked: JsonObject, text: string): LoadedConfig {
    try {
      return this.#options.load(asked, text);
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      throw fail("conflict", `${error.message}\nCorrect that first`, { cause: error });
    }
  }

  /** Describes the settings as they would be. @throws AppError validation_error */
  #tryOut(
    record: PluginRecord,
    { asked, text, changes }: { asked: JsonObject; text: string; changes: readonly SettingChange[] },
  ): DescribedSettings {
    const tooLong = { path: "/body/settings", code: "too_long", message: "config.json would be too large" };
    if (text.length > MAX_TEXT) throw invalidRequest([tooLong]);
    let loaded: LoadedConfig;
    try {
      loaded = this.#options.load(asked, text);
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      const problems = changes.flatMap(({ path }) => {
        const key = formatKeyPath(["plugins", "settings", record.name, ...path]);
        const own = error.problems.filter(
          (one) => one.path === key || /^[.[]/.test(one.path.replace(key, "")),
        );
        return own.map(({ message }) => toProblem(path, "invalid", message));
      });
      if (problems.length > 0) throw invalidRequest(problems, { cause: error });
      throw fail("conflict", error.message, { cause: error });
    }
    const described = this.#describe(record, loaded);
    const locked = described.items.filter((item) => item.is_locked);
    const problems = fill(record, overridesOf(loaded, record.name)).problems.filter(
      ({ path }) => !locked.some((item) => item.path.every((key, index) => key === path[index])),
    );
    if (problems.length === 0) return described;
    throw invalidRequest(problems.map(({ path, code, message }) => toProblem(path, code, message)));
  }

  async #write(name: string, changes: readonly SettingChange[], over: string): Promise<void> {
    const { installer, shared, log } = this.#options;
    try {
      await installer.setSettings(name, changes, { over });
    } catch (error) {
      const isReadOnly = error instanceof AppError && error.code === "plugin_not_kept";
      if (shared === null || !isReadOnly) throw error;
      log.warn(
        { err: error, plugin: name },
        "settings are written into no config.json here: what was set on all instances counts",
      );
    }
  }

  #describe(record: PluginRecord, loaded: LoadedConfig): DescribedSettings {
    const { name, manifest, settings: schema = null } = record;
    const overrides = overridesOf(loaded, name);
    const { values } = fill(record, overrides);
    const defaults = fill(record, {}).values;
    const place = ["plugins", "settings", name];
    const settings = maskSettings(loaded, name, values);
    const shownDefaults = maskSettings(loaded, name, defaults);
    const items = leavesOf(schema, [values]).map((path): DescribedSetting => {
      const origin = loaded.originOf([...place, ...path]);
      const value = valueAt(settings, path);
      if (origin?.isSecret === true && value !== undefined) setAt(settings, path, MASK);
      const isNamed = path.some((key) => isSecretName(key));
      return {
        key: formatKeyPath(path),
        path,
        value: valueAt(settings, path),
        default: valueAt(shownDefaults, path),
        source: origin?.source ?? (valueAt(manifest?.config, path) === undefined ? "default" : "manifest"),
        where: origin?.where ?? "",
        is_locked: origin !== null && LOCKS.has(origin.source),
        is_secret: isNamed || !Bun.deepEquals(valueAt(settings, path), valueAt(values, path)),
      };
    });
    const version = new Bun.CryptoHasher("sha256", this.#options.versionKey)
      .update(JSON.stringify([name, overrides]))
      .digest("base64url");
    return { schema, settings, items, version: `"${version.slice(0, 22)}"` };
  }

  async #audit(
    name: string,
    { actor, origin }: PluginChange,
    {
      before,
      after,
      changes,
    }: { before: DescribedSettings; after: DescribedSettings; changes: readonly SettingChange[] },
  ): Promise<void> {
    const { db, tables } = this.#options.store;
    const of = ({ items }: DescribedSettings): JsonObject =>
      Object.fromEntries(
        changes.map(({ path }) => {
          const key = formatKeyPath(path);
          const item = items.find((one) => one.key === key);
          const value = item?.value ?? null;
          return [key, item?.is_secret === true ? MASK : value];
        }),
      );
    const target = { type: "plugin", id: name.slice(0, 64) };
    const entry = {
      action: "plugin.configured",
      actor,
      target,
      origin,
      before: of(before),
      after: of(after),
    };
    await writeAudit(db, tables, entry);
  }
}

function assertSeen(ifMatch: string | null, { version, settings }: DescribedSettings): void {
  if (ifMatch === null || ifMatch.trim() === "*") return;
  if ([...ifMatch.matchAll(TAGS)].some(([tag]) => tag === version)) return;
  throw fail(
    "precondition_failed",
    "The settings have changed since they were read: look at them, and change them again",
    { headers: { etag: version }, members: { current: settings } },
  );
}

/** Returns what differs from what is there. @throws AppError validation_error for what can't be set from here */
function planChanges(known: DescribedSettings, sent: JsonObject): SettingChange[] {
  const problems: InputProblem[] = [];
  const changes: SettingChange[] = [];
  for (const path of leavesOf(known.schema, [known.settings, sent])) {
    const value = valueAt(sent, path);
    const shown = valueAt(known.settings, path);
    const item = known.items.find((one) => Bun.deepEquals(one.path, path));
    if (Bun.deepEquals(value, shown)) continue;
    if (item?.is_locked === true) {
      const message = `Set by ${item.where}, which counts over config.json: change it there`;
      if (value !== undefined) problems.push(toProblem(path, "locked", message));
    } else if (value !== undefined && item?.is_secret === true && isMasked(value)) {
      const message = "Part of it is hidden: send it as it was shown, to keep it, or the whole of it anew";
      problems.push(toProblem(path, "hidden", message));
    } else if (value !== undefined || (item !== undefined && item.where !== ""))
      changes.push({ path, value });
  }
  if (problems.length > 0) throw invalidRequest(problems);
  return changes;
}

function isMasked(value: unknown): boolean {
  if (typeof value === "string") return value.includes(MASK);
  return typeof value === "object" && value !== null && Object.values(value).some(isMasked);
}

/** The settings of a plugin with which all else of what is asked on all instances stays. */
function withAsked(shared: SharedStates, name: string, changes: readonly SettingChange[]): JsonObject {
  const { settings } = shared.asked;
  const own = Object.hasOwn(settings, name) ? settings[name] : undefined;
  return { plugins: { settings: { ...settings, [name]: withKeys(own ?? {}, changes) } } };
}

function overridesOf({ config }: LoadedConfig, name: string): JsonObject {
  const own = valueAt(config, ["plugins", "settings", name]);
  return isJsonObject(own) ? own : {};
}

function fill({ manifest, settings: schema = null }: PluginRecord, overrides: JsonObject): FilledSettings {
  const given = { defaults: manifest?.config ?? {}, overrides };
  try {
    return fillSettings(given, schema);
  } catch {
    return fillSettings(given, null); // a schema with mistakes, for which the plugin can't be loaded
  }
}

/** The paths of what is set as one: objects whose keys the schema names are gone into, as is the whole. */
function leavesOf(schema: JsonSchema | null, all: readonly unknown[]): string[][] {
  const find = (node: JsonSchema | undefined, values: readonly unknown[], path: string[]): string[][] => {
    const there = values.filter((value) => value !== undefined);
    const isSection = path.length === 0 || node?.properties !== undefined;
    if (!isSection || !there.every(isJsonObject)) return [path];
    const { properties = {} } = node ?? {};
    const keys = new Set([...Object.keys(properties), ...there.flatMap((value) => Object.keys(value))]);
    return [...keys].flatMap((key) => {
      const child = Object.hasOwn(properties, key) ? properties[key] : undefined;
      const below = there.map((value) => valueAt(value, [key]));
      return find(child, below, [...path, key]);
    });
  };
  return find(schema ?? undefined, all, []);
}

function setAt(values: JsonObject, path: readonly string[], value: unknown): void {
  const around = valueAt(values, path.slice(0, -1));
  const key = path.at(-1);
  if (isJsonObject(around) && key !== undefined) around[key] = value;
}

/** What is wrong with a setting, as with a field of the body. */
function toProblem(path: KeyPath, code: string, message: string): InputProblem {
  const sentence = message.charAt(0).toUpperCase() + message.slice(1);
  return { path: `/body/settings${toPointer(path)}`, code, message: sentence };
}
