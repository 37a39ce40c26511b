import { closestWord } from "../../config/suggestion.ts";
import type { PluginRecord } from "./record.ts";

/** Says of each plugin that config.json has settings for, and that isn't there, which one was probably meant. */
export function findStraySettings(
  settings: Readonly<Record<string, unknown>>,
  records: readonly PluginRecord[],
): string[] {
  const names = records.map(({ name }) => name);
  return Object.keys(settings)
    .filter((name) => !names.includes(name))
    .map((name) => {
      const meant = closestWord(name, names);
      const hint = meant === undefined ? "" : `, did you mean "${meant}"?`;
      return `plugins.settings.${name}: there is no plugin "${name}"${hint}`;
    });
}
