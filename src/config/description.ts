import { formatKeyPath, valueAt } from "./json/values.ts";
import { type LoadedConfig, maskConfig } from "./load.ts";
import { toVariableName } from "./overrides.ts";
import { configKeys } from "./schema-node.ts";
import { maskAll } from "./secrets.ts";

/** A key of the configuration, as it counts now. */
export interface DescribedKey {
  /** Such as "server.port". */
  readonly key: string;
  /** Secrets are masked. */
  readonly value: unknown;
  readonly default: unknown;
  /** "default", "flag", "environment", ".env", "plugin config", or the file with line and column. */
  readonly source: string;
  /** For people: the variable, or the line of the file; "" for a default. */
  readonly where: string;
  /** The variable that sets it. */
  readonly variable: string;
  readonly description: string;
}

/** Describes every key of the configuration, in the order of the schema. */
export function describeConfig(loaded: LoadedConfig): DescribedKey[] {
  const masked = maskConfig(loaded);
  return configKeys()
    .filter(({ path }) => path[0] !== "$schema")
    .map(({ path, node }) => {
      const origin = loaded.originOf(path);
      const value = valueAt(masked, path) ?? null;
      return {
        key: formatKeyPath(path),
        value: origin?.isSecret === true ? maskAll(value) : value,
        default: node.default ?? null,
        source: origin?.source ?? "default",
        where: origin?.where ?? "",
        variable: toVariableName(path),
        description: node.description ?? "",
      };
    });
}
