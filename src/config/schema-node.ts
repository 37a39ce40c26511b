import { isJsonObject, type JsonObject, type KeyPath, mergeValues } from "./json/values.ts";
import { ConfigSchema } from "./schema.ts";

/** The parts of JSON Schema that schemas of files use, read without knowing which type they describe. */
export interface SchemaNode {
  readonly type?: string;
  /** What the value is, in the words of an error: "expected <title>". */
  readonly title?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly const?: unknown;
  readonly anyOf?: readonly SchemaNode[];
  readonly items?: SchemaNode;
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly patternProperties?: Readonly<Record<string, SchemaNode>>;
  readonly propertyNames?: SchemaNode;
  readonly additionalProperties?: unknown;
  readonly required?: readonly string[] | undefined;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly pattern?: string;
  readonly format?: string;
}

/** One key of `config.json` that holds a value of its own, as opposed to a section. */
export interface ConfigKey {
  readonly path: readonly string[];
  readonly node: SchemaNode;
}

/** The schema as a tree of nodes. */
export const rootNode: SchemaNode = ConfigSchema;

/** The node that describes the value at `path`, or `undefined` where the schema knows no such key. */
export function schemaAt(path: KeyPath, root: SchemaNode = rootNode): SchemaNode | undefined {
  return path.reduce<SchemaNode | undefined>((node, key) => node && childNode(node, key), root);
}

/** The node that describes the member `key` of an object, or of an item when `key` is an index. */
export function childNode(node: SchemaNode, key: string | number): SchemaNode | undefined {
  if (typeof key === "number") return node.items ?? (isAnything(node) ? node : undefined);
  const { properties } = sectionOf(node);
  if (properties) return Object.hasOwn(properties, key) ? properties[key] : undefined;
  if (node.patternProperties) return Object.values(node.patternProperties)[0];
  return isAnything(node) ? node : undefined;
}

/** The node that knows the keys of an object: of a section that may be null, the section. Of several kinds of objects none is it. */
export function sectionOf(node: SchemaNode): SchemaNode {
  const kinds = node.anyOf?.filter(({ type }) => type !== "null") ?? [];
  const [section] = kinds;
  return kinds.length === 1 && section?.properties !== undefined ? section : node;
}

/** Tells whether the schema leaves the value free, as it does inside the settings of a plugin. */
export function isAnything(node: SchemaNode): boolean {
  return node.type === undefined && node.anyOf === undefined && node.const === undefined;
}

/** Lists every key that holds a value, in the order of the schema. */
export function configKeys(node: SchemaNode = rootNode, path: readonly string[] = []): ConfigKey[] {
  return Object.entries(node.properties ?? {}).flatMap(([key, child]) =>
    child.properties ? configKeys(child, [...path, key]) : [{ path: [...path, key], node: child }],
  );
}

/** A fresh object with the default of every key. */
export function createDefaults(node: SchemaNode = rootNode): JsonObject {
  const values: JsonObject = {};
  for (const [key, child] of Object.entries(node.properties ?? {})) {
    if (child.properties) values[key] = createDefaults(child);
    else if (child.default !== undefined) values[key] = structuredClone(child.default);
  }
  return values;
}

/** Adds the defaults of sections that may be null where they are there. */
export function fillSections(values: JsonObject, node: SchemaNode = rootNode): JsonObject {
  const filled: JsonObject = { ...values };
  for (const [key, child] of Object.entries(node.properties ?? {})) {
    const value = filled[key];
    const section = sectionOf(child);
    if (!isJsonObject(value) || section.properties === undefined) continue;
    const whole = section === child ? value : mergeValues(createDefaults(section), value);
    filled[key] = fillSections(whole, section);
  }
  return filled;
}
