import { coerceText } from "./coercion.ts";
import { describeExpectation } from "./expectation.ts";
import { isJsonObject, type JsonObject, type KeyPath, mergeValues, startsWithPath } from "./json/values.ts";
import type { Layer } from "./diagnosis.ts";
import { type ConfigProblem, createUnknownKeyProblem, createValueProblem } from "./problems.ts";
import type { ConfigOverrides } from "./schema.ts";
import { schemaAt } from "./schema-node.ts";
import { isSecretName } from "../log/secret-names.ts";
import { suggestKey } from "./suggestion.ts";
import type { Variable, Variables } from "./variables.ts";

const PREFIX = /^XCORE_/i;
/** Variables by the names that hosting platforms give them. `XCORE_…` for the same key wins. */
const KNOWN_NAMES: ReadonlyMap<string, KeyPath> = new Map([
  ["DATABASE_URL", ["database", "url"]],
  ["JWT_SECRET_KEY", ["security", "jwt_secret_key"]],
  ["REDIS_URL", ["redis", "url"]],
]);

/** The keys that the `XCORE_…` variables of one source set. */
export interface VariableOverrides {
  readonly layer: Layer;
  readonly problems: readonly ConfigProblem[];
}

/**
 * Reads the variables such as `XCORE_SERVER__PORT`, whose names are paths with "__" between the levels, and
 * those with names of their own, as `DATABASE_URL`. A variable for a deeper key wins over one for the section around it.
 */
export function readVariableOverrides(variables: Variables, source: Variable["source"]): VariableOverrides {
  const problems: ConfigProblem[] = [];
  const set: { path: KeyPath; variable: Variable }[] = [];
  let values: JsonObject = {};
  for (const { path, variable } of findOverrides(variables, source)) {
    const node = schemaAt(path);
    const origin = toOrigin(variable);
    const shown = { path, origin };
    if (!node) {
      problems.push(createUnknownKeyProblem({ ...shown, value: variable.value, ...describeUnknown(path) }));
      continue;
    }
    const value = coerceText(variable.value, node);
    if (node.type === "object" && !isJsonObject(value)) {
      const expected = `${describeExpectation(node)} as JSON`;
      problems.push(createValueProblem({ ...shown, value, expected }));
      continue;
    }
    set.push({ path, variable });
    values = mergeValues(values, nest(path, value));
  }
  // The last variable wins, so it gave the value.
  const originOf: Layer["originOf"] = (path) => {
    const around = set.findLast((one) => startsWithPath(path, one.path) || startsWithPath(one.path, path));
    return around ? toOrigin(around.variable) : { source, where: source, isSecret: true };
  };
  return { layer: { values, originOf }, problems };
}

/** The keys that flags set, as a layer. */
export function readFlags(flags: ConfigOverrides): Layer {
  const origin = { source: "flag", where: "command line", isSecret: false };
  return { values: mergeValues({}, { ...structuredClone(flags) }), originOf: () => origin };
}

/** The variable that sets the key at `path`. */
export function toVariableName(path: KeyPath): string {
  return `XCORE_${path.join("__").toUpperCase()}`;
}

function findOverrides(variables: Variables, source: Variable["source"]) {
  return [...variables.values()]
    .filter((variable) => variable.source === source)
    .flatMap((variable) => {
      const path = toPath(variable.name);
      return path === null ? [] : [{ path, variable, isPrefixed: PREFIX.test(variable.name) }];
    })
    .toSorted((a, b) => Number(a.isPrefixed) - Number(b.isPrefixed) || a.path.length - b.path.length);
}

function toPath(name: string): KeyPath | null {
  if (PREFIX.test(name)) return name.replace(PREFIX, "").toLowerCase().split("__");
  return KNOWN_NAMES.get(name) ?? null;
}

function toOrigin({ name, source }: Variable) {
  const where = source === ".env" ? `${name} in .env` : name;
  return { source, where, isSecret: isSecretName(name) || KNOWN_NAMES.has(name) };
}

function describeUnknown(path: KeyPath) {
  const meant = suggestKey(path);
  const expected = 'the path of a key in capitals, with "__" between its levels';
  return { expected, suggestion: meant && toVariableName(meant) };
}

function nest(path: KeyPath, value: unknown): JsonObject {
  const [key = "", ...rest] = path;
  return { [key]: rest.length === 0 ? value : nest(rest, value) };
}
