import { dirname, isAbsolute, join, relative, resolve } from "node:path";
import { coerceText } from "./coercion.ts";
import { type ConfigFile, readConfigFile } from "./file.ts";
import { diagnose, type Layer } from "./diagnosis.ts";
import { fillPlaceholders } from "./placeholders.ts";
import { type DotEnv, joinVariables, parseDotEnv, type Variables } from "./variables.ts";
import {
  formatKeyPath,
  freezeDeep,
  isJsonObject,
  type JsonObject,
  type KeyPath,
  startsWithPath,
  valueAt,
} from "./json/values.ts";
import { readFlags, readVariableOverrides } from "./overrides.ts";
import { ConfigError, type ConfigProblem, type Origin } from "./problems.ts";
import type { Config, ConfigOverrides } from "./schema.ts";
import { maskSecrets } from "./secrets.ts";
import { readTextFile } from "../files/text.ts";
import type { ConfigValues } from "./validation.ts";

export { ConfigError };
export { MASK } from "./secrets.ts";

const TLS_KEY_PATH = ["server", "tls", "key"];
const MAX_PATH = 1024; // characters

export interface LoadConfigOptions {
  /**
   * The file that `--config` names, relative to `cwd`; it must exist.
   * @default "config.json", which may be missing
   */
  file?: string;
  /** Absolute path of the folder that the command runs in. */
  cwd: string;
  /** The environment. The process's own is never read, nor changed. */
  env: Readonly<Record<string, string | undefined>>;
  /** Keys set on the command line. */
  flags?: ConfigOverrides;
  /** Keys set on all instances, over those of the file, with placeholders as in it. */
  shared?: JsonObject;
  /** Taken for the content of the file. @default what is in it */
  text?: string;
}

/** The effective configuration and where it comes from. */
export interface LoadedConfig {
  /** Frozen, at every depth. */
  readonly config: Config;
  /** Absolute path of `config.json`, whether or not it exists. */
  readonly file: string;
  readonly exists: boolean;
  /** The folder of `file`: relative paths in the configuration start there. */
  readonly directory: string;
  /** Where values are secret although their keys do not look so: `"dsn": "${DB_PASSWORD}"`. */
  readonly secretPaths: readonly KeyPath[];
  /** Tells where a value comes from; null for a default. */
  originOf(path: KeyPath): Origin | null;
}

/**
 * Loads the configuration: the defaults, over them `config.json`, what was set on all instances, `XCORE_…` variables
 * from `.env` and the environment, then flags. Reads two files, `config.json` and the `.env` beside it, and changes nothing.
 *
 * @throws ConfigError with every problem that was found, when there is any
 */
export function loadConfig(options: LoadConfigOptions): LoadedConfig {
  const { file: named, cwd, env, flags = {}, text } = options;
  const file = resolve(cwd, named ?? "config.json");
  const directory = dirname(file);
  const dotEnv = readDotEnv(join(directory, ".env"), cwd);
  const variables = joinVariables(dotEnv.values, env);
  const name = toDisplayName(file, cwd);
  const configFile = readConfigFile(file, { name, isRequired: named !== undefined, variables, text });
  const shared = readShared(options.shared ?? {}, variables);
  const fromDotEnv = readVariableOverrides(variables, ".env");
  const fromEnvironment = readVariableOverrides(variables, "environment");
  const layers = [configFile.layer, shared.layer, fromDotEnv.layer, fromEnvironment.layer, readFlags(flags)];
  const { values, problems } = diagnose(layers.filter(isUsed));
  const all = removeRepeated([
    ...configFile.problems,
    ...shared.problems,
    ...dotEnv.problems,
    ...fromDotEnv.problems,
    ...fromEnvironment.problems,
    ...problems,
  ]);
  if (all.length > 0 || !values) {
    const isAboutFile = all.some(({ source }) => source === name || source.startsWith(`${name}:`));
    throw new ConfigError(isAboutFile ? name : "the configuration", all.toSorted(compareLines(name)));
  }
  const { exists } = configFile;
  const secretPaths = [...configFile.secretPaths, ...shared.secretPaths];
  const originOf: LoadedConfig["originOf"] = (path) =>
    layers.findLast((one) => valueAt(one?.values, path) !== undefined)?.originOf(path, "value") ?? null;
  return { config: toConfig(values), file, exists, directory, secretPaths, originOf };
}

/** Copies the effective configuration with its secrets masked, so that it can be printed. */
export function maskConfig({ config, secretPaths }: LoadedConfig): Config {
  const masked = maskSecrets(config, secretPaths);
  const { key } = config.server.tls;
  const isHidden = secretPaths.some((secret) => startsWithPath(TLS_KEY_PATH, secret));
  if (key === null || isHidden || !isFilePath(key)) return masked;
  const { server } = masked;
  return { ...masked, server: { ...server, tls: { ...server.tls, key } } };
}

/** Copies settings of a plugin with their secrets masked. */
export function maskSettings<Settings>(
  { secretPaths }: LoadedConfig,
  plugin: string,
  settings: Settings,
): Settings {
  const place = ["plugins", "settings", plugin];
  const hidden = secretPaths
    .filter((path) => startsWithPath(path, place))
    .map((path) => path.slice(place.length));
  return maskSecrets(settings, hidden);
}

/** Reads the text of a plugin's setting as that of a variable: as JSON where it is some, else as text. */
export function readSetting(text: string): unknown {
  return coerceText(text, {}); // nothing but the plugin says which type it has
}

function toConfig(values: ConfigValues): Config {
  delete values.$schema;
  return freezeDeep(values);
}

/** A key that was pasted where its file is to be named is a secret after all. */
function isFilePath(text: string): boolean {
  return text.length <= MAX_PATH && !/[\r\n]|-----/.test(text);
}

function isUsed(layer: Layer | undefined): layer is Layer {
  return layer !== undefined && Object.keys(layer.values).length > 0;
}

function readShared(shared: JsonObject, variables: Variables): Omit<ConfigFile, "exists"> {
  const source = "plugin config";
  const where = "set by xcore plugin config";
  const { value, faults, secretPaths } = fillPlaceholders(shared, variables);
  const problems = faults.map(({ path, ...words }) => ({
    path: formatKeyPath(path),
    source,
    where,
    ...words,
  }));
  const originOf: Layer["originOf"] = (path) => ({
    source,
    where,
    isSecret: secretPaths.some((secret) => startsWithPath(path, secret)),
  });
  return { layer: { values: isJsonObject(value) ? value : {}, originOf }, problems, secretPaths };
}

/** Reads the variables that `${NAME}` takes: those of the `.env` in a folder, and the environment. */
export function readVariables(
  directory: string,
  { cwd, env }: Pick<LoadConfigOptions, "cwd" | "env">,
): Variables {
  return joinVariables(readDotEnv(join(directory, ".env"), cwd).values, env);
}

function readDotEnv(file: string, cwd: string): DotEnv & { problems: ConfigProblem[] } {
  const content = readTextFile(file);
  const name = toDisplayName(file, cwd);
  if (content.state === "read") {
    const dotEnv = parseDotEnv(content.text);
    const problems = dotEnv.faults.map(({ line, expected }) => ({
      path: "",
      source: `${name}:${line}`,
      where: `${name}, line ${line}`,
      expected,
      found: "another line", // never its text, which may hold a secret
      message: `expected ${expected}`,
    }));
    return { ...dotEnv, problems };
  }
  const empty = { values: new Map<string, string>(), faults: [], problems: [] };
  // Python's virtual environments are often folders of this name.
  if (content.state === "missing" || content.found === "a directory") return empty;
  const { expected, found } = content;
  const message = `expected ${expected}, found ${found}`;
  return { ...empty, problems: [{ path: "", source: name, where: name, expected, found, message }] };
}

function toDisplayName(file: string, cwd: string): string {
  const fromCwd = relative(cwd, file);
  return fromCwd === "" || fromCwd.startsWith("..") || isAbsolute(fromCwd) ? file : fromCwd;
}

// A placeholder that cannot be filled also leaves a value of the wrong type: the first problem says why.
function removeRepeated(problems: readonly ConfigProblem[]): ConfigProblem[] {
  const seen = new Map<string, ConfigProblem>();
  for (const problem of problems) {
    const key = JSON.stringify([
      problem.path,
      problem.source,
      problem.where,
      problem.path === "" && problem.message,
    ]);
    if (!seen.has(key)) seen.set(key, problem);
  }
  return [...seen.values()];
}

// Problems of the file come first, line by line; those of variables and flags follow as they were found.
function compareLines(name: string) {
  const lineOf = ({ source }: ConfigProblem) => {
    const [line, column] = source.startsWith(`${name}:`) ? source.slice(name.length + 1).split(":") : [];
    return line === undefined ? Number.MAX_SAFE_INTEGER : Number(line) * 1e6 + Number(column);
  };
  return (a: ConfigProblem, b: ConfigProblem) => lineOf(a) - lineOf(b);
}
