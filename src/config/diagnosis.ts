import { closestWord } from "../errors/suggestion.ts";
import {
  type JsonObject,
  type KeyPath,
  mergeValues,
  selectReplaced,
  startsWithPath,
  valueAt,
} from "./json/values.ts";
import { createDefaults, fillSections, schemaAt } from "./schema-node.ts";
import {
  type ConfigProblem,
  createMissingKeyProblem,
  createUnknownKeyProblem,
  createValueProblem,
  type Origin,
} from "./problems.ts";
import { suggestKey } from "./suggestion.ts";
import { type ConfigValues, type Fault, findConflicts, findFaults, isConfigValues } from "./validation.ts";

/** Some keys of the configuration from one place; a later layer wins over an earlier one, key by key. */
export interface Layer {
  readonly values: JsonObject;
  /** Where this layer gives the value at `path`, or the key of it; only asked for paths that it holds. */
  originOf(path: KeyPath, part: "key" | "value"): Origin;
}

/** All layers laid over the defaults, and everything that is wrong with them. */
export interface Diagnosis {
  /** `undefined` when they do not follow the schema, which the problems tell. */
  readonly values: ConfigValues | undefined;
  readonly problems: readonly ConfigProblem[];
}

/**
 * Lays the layers over the defaults, the first one lowest, and checks the result. Values that a later layer
 * replaces are checked as well: a mistake in the file is one even when a variable hides it.
 */
export function diagnose(layers: readonly Layer[]): Diagnosis {
  const problems = layers.flatMap((_, index) => diagnoseHidden(layers, index));
  const values = fillSections(
    layers.reduce((below, layer) => mergeValues(below, layer.values), createDefaults()),
  );
  const isValid = isConfigValues(values);
  const faults = isValid ? findConflicts(values) : findFaults(values);
  for (const fault of faults) problems.push(toProblem(fault, values, layers));
  return { values: isValid ? values : undefined, problems };
}

function diagnoseHidden(layers: readonly Layer[], index: number): ConfigProblem[] {
  const above = layers.slice(index + 1).reduce((below, layer) => mergeValues(below, layer.values), {});
  const hidden = selectReplaced(layers[index]?.values ?? {}, above);
  if (Object.keys(hidden).length === 0) return [];
  const values = mergeValues(createDefaults(), hidden);
  const faults = findFaults(values).filter((fault) => fault.kind !== "missing_key");
  return faults.map((fault) => toProblem(fault, values, layers.slice(0, index + 1)));
}

function toProblem(fault: Fault, values: JsonObject, layers: readonly Layer[]): ConfigProblem {
  const { kind, path, expected } = fault;
  const part = kind === "unknown_key" || kind === "bad_name" ? "key" : "value";
  const parts = { path, value: valueAt(values, path), origin: findOrigin(path, part, layers), expected };
  switch (kind) {
    case "unknown_key":
      return createUnknownKeyProblem({ ...parts, suggestion: formatSuggestion(path, suggestKey(path)) });
    case "missing_key":
      return createMissingKeyProblem(parts);
    case "bad_name":
      return createValueProblem({ ...parts, value: path.at(-1) });
    default:
      return createValueProblem({ ...parts, suggestion: suggestValue(path, parts.value) });
  }
}

// The topmost layer that holds the value gave it; a missing key is told where its parent was given.
function findOrigin(path: KeyPath, part: "key" | "value", layers: readonly Layer[]): Origin {
  for (let length = path.length; length > 0; length -= 1) {
    const held = path.slice(0, length);
    const layer = layers.findLast((one) => valueAt(one.values, held) !== undefined);
    if (layer) return layer.originOf(held, length === path.length ? part : "value");
  }
  throw new TypeError(`Cannot find the origin of "${path.join(".")}": no layer holds it`);
}

function formatSuggestion(path: KeyPath, meant: readonly string[] | undefined): string | undefined {
  const isBeside = meant?.length === path.length && startsWithPath(meant, path.slice(0, -1));
  return isBeside ? meant.at(-1) : meant?.join(".");
}

function suggestValue(path: KeyPath, value: unknown): string | undefined {
  const words = (schemaAt(path)?.anyOf ?? []).flatMap((member) =>
    typeof member.const === "string" ? [member.const] : [],
  );
  return typeof value === "string" ? closestWord(value, words) : undefined;
}
