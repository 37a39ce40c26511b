import { freezeDeep, mergeValues } from "../../config/json/values.ts";

type Settings = Readonly<Record<string, unknown>>;

/** Lays a plugin's settings from config.json over its manifest's defaults, object by object; deeply frozen. */
export function mergeSettings(defaults: Settings, overrides: Settings): Settings {
  return freezeDeep(structuredClone(mergeValues(defaults, overrides)));
}
