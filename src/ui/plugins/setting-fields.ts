import { isJsonObject } from "../../config/json/values.ts";
import { MASK } from "../../config/load.ts";
import { toPointer } from "../../errors/errors.ts";
import type { PluginSettings } from "../../plugins/admin/answers.ts";
import { text } from "../shell/words.ts";

type Settings = typeof PluginSettings.static;
type Item = Settings["items"][number];

/** What a form has sent, by the names of its fields. */
export type Sent = Readonly<Record<string, unknown>>;
/** What stands in each field, by its name; false for a box that isn't ticked. */
export type Typed = Readonly<Record<string, string | false>>;

/** The part of JSON Schema that fields are made of. */
interface Node {
  readonly type?: string;
  readonly title?: string;
  readonly description?: string;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly Node[];
  readonly items?: Node;
  readonly properties?: Readonly<Record<string, Node>>;
  readonly required?: readonly string[];
}

/** A field of the form. */
interface Field {
  /** "s" and the JSON Pointer of the setting. */
  readonly name: string;
  readonly label: string;
  readonly kind: "line" | "long" | "number" | "flag" | "choice" | "list" | "secret" | "json";
  readonly hint: string | null;
  readonly value: string;
  readonly choices: readonly { readonly value: string; readonly label: string }[];
  readonly isRequired: boolean;
  readonly isSet: boolean;
  /** Where it is set, of what can't be changed from here; null for what can. */
  readonly lockedBy: string | null;
  /** What counts where it is left empty; null for nothing. */
  readonly fallback: string | null;
  /** What counts now, where something else is typed; null otherwise. */
  readonly now: string | null;
  readonly error: string | null;
}

interface Place {
  readonly node: Node;
  readonly isRequired: boolean;
}

/** Of the field with all settings of a plugin that declares none. */
const ALL: Item = {
  key: "",
  path: [],
  source: "",
  where: "",
  is_locked: false,
  is_secret: false,
};

/** The fields of the settings of a plugin, as they stand together, and which of the errors are at one of them. */
export function toFieldsets(
  about: Settings,
  typed: Typed | null,
  errors: Readonly<Record<string, string>>,
): { sets: { title: string | null; fields: Field[] }[]; atFields: Set<string> } {
  const sets = new Map<string, Field[]>();
  const atFields = new Set<string>();
  for (const item of itemsOf(about)) {
    const pointer = toPointer(item.path);
    // What is wrong inside a list is told at the list.
    const wrong = Object.keys(errors).filter((path) => path === pointer || path.startsWith(`${pointer}/`));
    for (const path of wrong) atFields.add(path);
    const section = item.path.slice(0, -1).join(" / ");
    const said = wrong.map((path) => errors[path]).join("; ");
    const field = toField(about, item, { typed, error: said === "" ? null : said });
    sets.set(section, [...(sets.get(section) ?? []), field]);
  }
  const all = [...sets].map(([title, fields]) => ({ title: title === "" ? null : title, fields }));
  return { sets: all, atFields };
}

/** Reads what a form has sent. */
export function sentTexts(about: Settings, sent: Sent): Typed {
  return Object.fromEntries(
    itemsOf(about).map((item) => {
      const name = nameOf(item);
      const [value] = [sent[name]].flat();
      if (sent[`${name}-out`] === "true") return [name, ""];
      if (typeof value === "string") return [name, value.replaceAll("\r\n", "\n")];
      return [name, kindOf(about, item) === "flag" ? false : textOf(about, item)];
    }),
  );
}

/**
 * Makes settings of what is typed: what is left empty isn't set.
 *
 * @param readJson returns undefined for what is none
 */
export function toSettings(
  about: Settings,
  typed: Typed,
  readJson: (text: string) => unknown,
): { settings: Record<string, unknown>; errors: Record<string, string> } {
  const settings: Record<string, unknown> = {};
  const errors: Record<string, string> = {};
  for (const item of itemsOf(about)) {
    const value = item.is_locked
      ? item.value
      : toValue(about, item, { typed: typed[nameOf(item)] ?? "", readJson });
    if (value === UNREADABLE) errors[toPointer(item.path)] = text("This is no JSON");
    else if (item.path.length === 0) Object.assign(settings, value);
    else if (value !== undefined) setAt(settings, item.path, value);
  }
  return { settings, errors };
}

const UNREADABLE = Symbol("no JSON");

function toValue(
  about: Settings,
  item: Item,
  { typed, readJson }: { readonly typed: string | false; readonly readJson: (text: string) => unknown },
): unknown {
  const kind = kindOf(about, item);
  if (typed === false) return item.value === undefined ? undefined : false;
  // As it was shown, it is as it was.
  if (typed === textOf(about, item) && kind !== "secret")
    return item.path.length === 0 ? about.settings : item.value;
  if (kind === "secret" && typed === MASK) return MASK;
  if (typed.trim() === "") return undefined;
  const { node } = placeOf(about, item.path);
  if (kind === "flag") return true;
  if (kind === "line" || kind === "long") return typed;
  if (kind === "number" || kind === "secret") return toScalar(node, typed);
  if (kind === "list") return typed.split("\n").flatMap((line) => toItem(node.items ?? {}, line));
  const value = readJson(typed);
  const isWhole = item.path.length === 0;
  return value === undefined || (isWhole && !isJsonObject(value)) ? UNREADABLE : value;
}

function toItem(node: Node, line: string): unknown[] {
  const trimmed = line.trim();
  return trimmed === "" ? [] : [toScalar(node, trimmed)];
}

function toScalar({ type }: Node, typed: string): unknown {
  const isNumber = type === "number" || type === "integer";
  const trimmed = typed.trim().replace(",", ".");
  return isNumber && /^[+-]?\d+(?:\.\d+)?(?:e[+-]?\d+)?$/i.test(trimmed) ? Number(trimmed) : typed;
}

function toField(
  about: Settings,
  item: Item,
  { typed, error }: { readonly typed: Typed | null; readonly error: string | null },
): Field {
  const { node, isRequired } = placeOf(about, item.path);
  const kind = kindOf(about, item);
  const shown = textOf(about, item);
  const name = nameOf(item);
  const given = typed?.[name];
  // A secret that was typed isn't sent back.
  const value = given === undefined || kind === "secret" ? shown : given === false ? "" : given;
  const fallback = toText(kind, item.default);
  return {
    name,
    label: node.title ?? item.path.at(-1) ?? text("All settings"),
    kind,
    hint: node.description ?? null,
    value: kind === "secret" ? "" : value,
    choices: choicesOf(node),
    isRequired: isRequired && item.default === undefined,
    isSet: item.value !== undefined && item.value !== "",
    lockedBy: item.is_locked ? item.where : null,
    fallback: fallback === "" || item.is_secret ? null : fallback,
    now: kind === "secret" || kind === "flag" || value === shown ? null : shown,
    error,
  };
}

/** All settings one by one; as one where nothing says which there are. */
function itemsOf({ schema, items }: Settings): readonly Item[] {
  return schema === null ? [ALL] : items;
}

function textOf(about: Settings, item: Item): string {
  return toText(kindOf(about, item), item.path.length === 0 ? about.settings : item.value);
}

function toText(kind: Field["kind"], value: unknown): string {
  if (value === undefined) return "";
  if (kind === "json") return JSON.stringify(value, null, 2);
  if (kind === "choice") return JSON.stringify(value);
  if (kind === "list") return (value as readonly unknown[]).map(String).join("\n");
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** The kind of the field: of what the schema says, where what is set now is so. */
function kindOf(
  about: Settings,
  { path, value, default: fallback, is_secret: isSecret }: Item,
): Field["kind"] {
  const { node } = placeOf(about, path);
  const { type, items } = node;
  if (path.length === 0) return "json";
  const isText = value === undefined || typeof value === "string";
  if (isSecret && isText && (type === "string" || isNumeric(type)) && (value === undefined || value === MASK))
    return "secret";
  if (choicesOf(node).length > 0) return "choice";
  if (type === "boolean" && (value === undefined || typeof value === "boolean")) return "flag";
  if (isNumeric(type) && (value === undefined || typeof value === "number")) return "number";
  if (type === "string" && isText) return typeof value === "string" && value.includes("\n") ? "long" : "line";
  const isList = type === "array" && (items?.type === "string" || isNumeric(items?.type));
  return isList && [value, fallback].every(isLines) ? "list" : "json";
}

function isNumeric(type: string | undefined): boolean {
  return type === "number" || type === "integer";
}

/** Whether a list can be written with one item a line. */
function isLines(value: unknown): boolean {
  if (value === undefined) return true;
  return Array.isArray(value) && value.every(isLine);
}

function isLine(one: unknown): boolean {
  return typeof one === "number" || (typeof one === "string" && one.trim() === one && !/^$|\n/.test(one));
}

function choicesOf(node: Node): Field["choices"] {
  const { anyOf = [], enum: words } = node;
  const values =
    words ?? (anyOf.every((one) => one.const !== undefined) ? anyOf.map((one) => one.const) : []);
  return values.map((value) => ({ value: JSON.stringify(value), label: String(value) }));
}

/** What the schema says of a setting; nothing of one that it doesn't know. */
function placeOf({ schema }: Settings, path: readonly string[]): Place {
  let node = (schema ?? {}) as Node;
  let isRequired = true;
  for (const key of path) {
    isRequired &&= node.required?.includes(key) === true;
    node = (Object.hasOwn(node.properties ?? {}, key) ? node.properties?.[key] : undefined) ?? {};
  }
  return { node, isRequired };
}

function nameOf({ path }: Item): string {
  return `s${toPointer(path)}`;
}

function setAt(values: Record<string, unknown>, path: readonly string[], value: unknown): void {
  const [key = "", ...rest] = path;
  if (key === "__proto__") return;
  if (rest.length === 0) values[key] = value;
  else setAt((values[key] ??= {}) as Record<string, unknown>, rest, value);
}
