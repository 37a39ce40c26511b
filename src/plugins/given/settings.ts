import type { TSchema } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { is, Table } from "drizzle-orm";
import {
  formatKeyPath,
  freezeDeep,
  isJsonObject,
  type JsonObject,
  type KeyPath,
  mergeValues,
  quote,
  valueAt,
} from "../../config/json/values.ts";
import { findProblems } from "../../errors/input-problems.ts";
import { createRedactor } from "../../log/redact.ts";
import { isTypeBoxSchema, type JsonSchema } from "../../errors/plain-schema.ts";
import { SettingsError } from "../failure/failure.ts";
import { findUnknownKeys } from "./unknown-keys.ts";

const HIDDEN = "[redacted]";
const redact = createRedactor();

/** Where the settings of a plugin are given. */
export interface GivenSettings {
  readonly plugin: string;
  /** `config` of its manifest. */
  readonly defaults: Readonly<Record<string, unknown>>;
  /** `plugins.settings.<name>` of config.json. */
  readonly overrides: Readonly<Record<string, unknown>>;
  /** False to take them as they are: the plugin is only looked at. */
  readonly areChecked: boolean;
  /** Told the schema that the plugin exports, null for none. @default nobody is */
  readonly onSchema?: ((schema: JsonSchema | null) => void) | undefined;
}

/** Settings with the defaults of their schema, as JSON. */
export interface FilledSettings {
  readonly values: JsonObject;
  readonly problems: readonly { readonly path: KeyPath; readonly code: string; readonly message: string }[];
}

/** Lays the settings of a plugin over each other, fills in the defaults, and tells what its schema doesn't take. */
export function fillSettings(
  { defaults, overrides }: Pick<GivenSettings, "defaults" | "overrides">,
  schema: JsonSchema | null,
): FilledSettings {
  const merged = structuredClone(mergeValues(defaults, overrides));
  if (schema === null) return { values: merged, problems: [] };
  const values = Value.Default(schema, fillSections(schema, merged)) as JsonObject;
  return { values, problems: [...findSettingsProblems(schema, values)] };
}

/** The `config` of one generation of a plugin. */
export interface PluginConfig {
  /** What the plugin imports. */
  readonly values: Readonly<Record<string, unknown>>;
  /**
   * Checks the settings and fills in the defaults, now that the plugin's modules have run.
   *
   * @throws SettingsError that lists every problem
   * @throws TypeError for a `settings` that is no schema, and where `config` was read before it was there
   */
  settle(): void;
}

/**
 * Creates the `config` of a plugin. Its schema is a value that the plugin's own code makes: `config` asks for it when
 * it is first read, and for all that the plugin reads before it is there, `settle` says where.
 *
 * @param findSchema returns the `settings` that the plugin exports, undefined while it exports none
 */
export function createPluginConfig(given: GivenSettings, findSchema: () => unknown): PluginConfig {
  const target: JsonObject = {};
  let isSettled = false;
  let firstRead: TypeError | null = null;
  const settle = (schema: unknown): void => {
    const values = resolveSettings(given, schema);
    isSettled = true;
    for (const key of Object.keys(target)) delete target[key];
    Object.freeze(Object.assign(target, values));
  };
  const ready = (): JsonObject => {
    if (isSettled) return target;
    const schema = findSchema();
    if (schema !== undefined) settle(schema);
    else if (firstRead === null) {
      firstRead = new TypeError(
        'Cannot read config before "settings" is there: move settings into settings.ts',
      );
      Object.assign(target, freezeDeep(structuredClone(mergeValues(given.defaults, given.overrides))));
    }
    return target;
  };
  return {
    values: new Proxy(target, toHandler(ready)),
    settle() {
      if (isSettled) return;
      const schema = findSchema();
      if (firstRead !== null && schema !== undefined) throw firstRead;
      settle(schema);
    },
  };
}

/** Nothing of `config` can be changed, neither before it is frozen. */
function toHandler(ready: () => JsonObject): ProxyHandler<JsonObject> {
  return {
    get: (_, key) => Reflect.get(ready(), key) as unknown,
    has: (_, key) => Reflect.has(ready(), key),
    ownKeys: () => Reflect.ownKeys(ready()),
    getOwnPropertyDescriptor: (_, key) => Reflect.getOwnPropertyDescriptor(ready(), key),
    isExtensible: () => Reflect.isExtensible(ready()),
    set: (_, key) => {
      // The code of plugins isn't strict: a write would be lost without a word.
      throw new TypeError(`Cannot set config.${String(key)}: settings are read-only`);
    },
    defineProperty: () => false,
    deleteProperty: () => false,
    setPrototypeOf: () => false,
  };
}

/** Lays the settings of a plugin over each other, checks them, and fills in the defaults; deeply frozen. */
function resolveSettings(given: GivenSettings, exported: unknown): JsonObject {
  // A table of this name that the entry passes on says nothing of settings.
  if (exported === undefined || is(exported, Table)) {
    given.onSchema?.(null);
    return freezeDeep(fillSettings(given, null).values);
  }
  if (!isTypeBoxSchema(exported) || exported["type"] !== "object") {
    throw new TypeError(
      'Cannot use the exported "settings": it is no t.Object({ … }), the schema of the plugin\'s settings',
    );
  }
  given.onSchema?.(exported);
  const { values, problems } = fillSettings(given, exported);
  if (problems.length > 0) {
    if (!given.areChecked) return freezeDeep(values);
    const located = problems.map(({ path, message }) => ({ path: locate(path, given), message }));
    throw new SettingsError(given.plugin, located);
  }
  return freezeDeep(Value.Decode<TSchema>(exported, values) as JsonObject);
}

/** Makes the objects that are missing and needed: what is in them may have defaults. */
function fillSections(schema: JsonSchema, value: JsonObject): JsonObject {
  const required = schema["required"] as readonly string[] | undefined;
  for (const key of required ?? []) {
    const child = schema.properties?.[key];
    if (child?.["type"] !== "object" || child["default"] !== undefined) continue;
    const held = value[key] ?? {};
    if (isJsonObject(held)) value[key] = fillSections(child, held);
  }
  return value;
}

function* findSettingsProblems(
  schema: JsonSchema,
  values: JsonObject,
): Generator<FilledSettings["problems"][number]> {
  const unknown = [...findUnknownKeys(schema, values)];
  for (const { path, meant } of unknown) {
    const hint = meant === undefined ? "the plugin knows no such setting" : `did you mean "${meant}"?`;
    yield { path, code: "unknown", message: `unknown key, ${hint}` };
  }
  for (const { path: pointer, code, message } of findProblems(schema, values)) {
    const path = toKeyPath(pointer, values);
    if (unknown.some((one) => Bun.deepEquals(one.path, path))) continue;
    const expected = `${message.charAt(0).toLowerCase()}${message.slice(1)}`;
    const found = quote(hideSecrets(valueAt(values, path), path));
    const text = code === "required" ? "missing" : `${expected}, found ${found}`;
    yield { path, code, message: text };
  }
}

/** A value as it may be shown: what stands under the name of a secret, or in one, isn't. */
function hideSecrets(value: unknown, path: KeyPath): unknown {
  const around = path.reduceRight<unknown>((inner, key) => ({ [key]: inner }), value);
  return valueAt(redact(around), path.map(String)) ?? HIDDEN;
}

/** Says where a setting is written: in config.json, in the manifest, or in the schema as a default. */
function locate(path: KeyPath, { plugin, defaults, overrides }: GivenSettings): string {
  const key = formatKeyPath(path);
  const isInManifest = valueAt(overrides, path) === undefined && valueAt(defaults, path) !== undefined;
  return isInManifest
    ? `config.${key} of the manifest of "${plugin}"`
    : formatKeyPath(["plugins", "settings", plugin, ...path]);
}

/** Reads a JSON Pointer (RFC 6901) into a value. */
function toKeyPath(pointer: string, value: unknown): KeyPath {
  const path: (string | number)[] = [];
  for (const part of pointer.split("/").slice(1)) {
    const key = part.replaceAll("~1", "/").replaceAll("~0", "~");
    path.push(Array.isArray(valueAt(value, path)) ? Number(key) : key);
  }
  return path;
}
