import type { Static } from "@sinclair/typebox";
import { describeExpectation, describeKeys } from "./expectation.ts";
import type { JsonObject, KeyPath } from "./json/values.ts";
import type { ConfigSchema } from "./schema.ts";
import { findProviderConflicts } from "./keys/auth.ts";
import { childNode, rootNode, schemaAt, sectionOf, type SchemaNode } from "./schema-node.ts";

/** Values that follow the schema. */
export type ConfigValues = Static<typeof ConfigSchema>;

/** One place where values do not follow the schema. */
export interface Fault {
  readonly kind: "invalid_value" | "unknown_key" | "bad_name" | "missing_key" | "conflict";
  readonly path: KeyPath;
  /** What would be accepted there, in words. */
  readonly expected: string;
}

const MAX_FAULTS = 1000; // more than anyone reads

/** Tells whether values follow the schema. */
export function isConfigValues(values: unknown): values is ConfigValues {
  return walk(values, rootNode, []).next().done === true;
}

/** Finds every place where `values` do not follow the schema, up to the first 1000. */
export function findFaults(values: unknown, schema: SchemaNode = rootNode): Fault[] {
  const faults = new Map<string, Fault>();
  for (const fault of walk(values, schema, [])) {
    const node = fault.kind === "missing_key" ? schemaAt(fault.path, schema) : undefined;
    // A key with a default is only missing where the section around it is no object, which is told.
    if (node?.default === undefined && !node?.properties) faults.set(JSON.stringify(fault.path), fault);
  }
  return [...faults.values()].slice(0, MAX_FAULTS);
}

/** Finds keys whose values are each fine but make no sense together. */
export function findConflicts({ app, server, security, mail, auth }: ConfigValues): Fault[] {
  const { cors, tls, port } = server;
  const conflicts: (Omit<Fault, "kind"> | false)[] = [
    cors.allow_credentials &&
      cors.allow_origins.includes("*") && {
        path: ["server", "cors", "allow_credentials"],
        expected: 'false, or the allowed origins by name: browsers refuse credentials with the origin "*"',
      },
    tls.cert !== null &&
      tls.key === null && { path: ["server", "tls", "key"], expected: "the file of the key of tls.cert" },
    tls.key !== null &&
      tls.cert === null && {
        path: ["server", "tls", "cert"],
        expected: "the file of the certificate of tls.key",
      },
    tls.acme !== null &&
      tls.cert !== null && {
        path: ["server", "tls", "acme"],
        expected: "null, or no certificate in tls.cert",
      },
    tls.acme !== null &&
      tls.redirect_port === null && {
        path: ["server", "tls", "redirect_port"],
        expected: "a port such as 80, where the authority of tls.acme asks whose the domains are",
      },
    tls.redirect_port !== null &&
      tls.cert === null &&
      tls.acme === null && {
        path: ["server", "tls", "redirect_port"],
        expected: "null, or a certificate in tls.cert",
      },
    mail.url !== null &&
      mail.from === null && {
        path: ["mail", "from"],
        expected: 'whom mail comes from, such as "noreply@example.com", for mail.url is set',
      },
    security.require_verified_email &&
      security.allow_registration &&
      mail.url === null &&
      !app.debug && {
        path: ["security", "require_verified_email"],
        expected:
          "false, or a server in mail.url: nobody gets the link without it, but on the terminal with app.debug",
      },
    tls.redirect_port === port &&
      port !== 0 && { path: ["server", "tls", "redirect_port"], expected: "another port than server.port" },
    ...findProviderConflicts(auth.providers),
  ];
  return conflicts.filter((one) => one !== false).map((one) => ({ kind: "conflict", ...one }));
}

/** Walks values along their schema. Of two faults in one place the later one counts. */
function* walk(value: unknown, node: SchemaNode, path: KeyPath): Generator<Fault> {
  const section = sectionOf(node);
  if (section !== node && isObject(value)) {
    yield* walk(value, section, path);
    return;
  }
  if (!isAccepted(value, node)) {
    yield { kind: "invalid_value", path, expected: describeExpectation(node) };
  }
  if (node.type === "array" && Array.isArray(value) && node.items) {
    for (const [index, item] of value.entries()) yield* walk(item, node.items, [...path, index]);
  }
  if (node.type === "object" && isObject(value)) yield* walkKeys(value, node, path);
}

function* walkKeys(value: JsonObject, node: SchemaNode, path: KeyPath): Generator<Fault> {
  for (const key of node.required ?? []) {
    const missing = Object.hasOwn(value, key) ? undefined : childNode(node, key);
    if (missing) yield { kind: "missing_key", path: [...path, key], expected: describeExpectation(missing) };
  }
  const keys = Object.keys(value);
  for (const key of keys) {
    if (node.additionalProperties !== false || childNode(node, key)) continue;
    yield { kind: "unknown_key", path: [...path, key], expected: describeKeys(node) };
  }
  for (const key of node.properties ? Object.keys(node.properties) : keys) {
    const child = Object.hasOwn(value, key) ? childNode(node, key) : undefined;
    if (child) yield* walk(value[key], child, [...path, key]);
  }
  for (const key of keys) {
    if (!node.propertyNames || isAccepted(key, node.propertyNames)) continue;
    yield { kind: "bad_name", path: [...path, key], expected: describeKeys(node) };
  }
}

/** Whether a value is what a node says of it, apart from what is inside. */
function isAccepted(value: unknown, node: SchemaNode): boolean {
  if (node.anyOf) return node.anyOf.some((member) => walk(value, member, []).next().done === true);
  if (node.const !== undefined) return value === node.const;
  switch (node.type) {
    case "null":
      return value === null;
    case "object":
      return isObject(value);
    case "array":
      return Array.isArray(value) && isWithin(value.length, node.minItems, node.maxItems);
    case "string":
      return typeof value === "string" && isText(value, node);
    case "integer":
      return Number.isInteger(value) && isWithin(Number(value), node.minimum, node.maximum);
    case "number":
      return typeof value === "number" && isWithin(value, node.minimum, node.maximum);
    case "boolean":
      return typeof value === "boolean";
    default:
      return typeof value !== "string" || isText(value, node);
  }
}

function isText(text: string, { minLength, maxLength, pattern, format }: SchemaNode): boolean {
  return (
    isWithin(text.length, minLength, maxLength) &&
    (pattern === undefined || new RegExp(pattern, "u").test(text)) &&
    (format !== "url" || URL.canParse(text))
  );
}

function isWithin(count: number, minimum = -Infinity, maximum = Infinity): boolean {
  return count >= minimum && count <= maximum;
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
