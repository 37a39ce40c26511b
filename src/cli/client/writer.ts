import { Names, toComment, toKey, toLiteral, toPascalCase } from "./names.ts";
import { EXPAND, type Operation, type Placed, placeOperations, type ServedResource } from "./operations.ts";
// @ts-expect-error -- a text, not the module
// oxlint-disable-next-line import/default
import runtime from "./runtime.ts" with { type: "text" };
import { isJson, type Json, TypeWriter } from "./types.ts";

const HEAD = `// Written by "xcore client ts": change the server's plugins and write it again, rather than this file.
/* eslint-disable */
`;

/** Namespaces of the client, and what stands in them. */
interface Space {
  readonly spaces: Map<string, Space>;
  readonly functions: string[];
}

/** Writes a client of all that an OpenAPI document tells of, as one file of TypeScript without imports. */
export function writeClient(document: Json, resources: readonly ServedResource[]): string {
  const names = new Names();
  const components = isJson(document["components"]) ? document["components"]["schemas"] : undefined;
  const types = new TypeWriter(isJson(components) ? components : {}, names);
  const declarations = types.declarations();
  const root: Space = { spaces: new Map(), functions: [] };
  for (const placed of placeOperations(document, resources)) {
    const written = writeOperation(placed, { types, names });
    declarations.push(...written.declarations);
    spaceOf(root, placed.namespaces).functions.push(...written.functions);
  }
  return [
    HEAD,
    runtime as string,
    `${declarations.join("\n\n")}\n`,
    `/** Creates a client of the server: \`createClient({ baseUrl, token })\`. */
export function createClient(options: ClientOptions = {}) {
  const call = createCall(${toOptions(document)});
  return ${writeSpace(root, "  ")};
}

export type Client = ReturnType<typeof createClient>;
`,
  ].join("\n");
}

/** The public address of the server, where one is configured. */
function toOptions({ servers }: Json): string {
  const [server] = (Array.isArray(servers) ? servers : []) as unknown[];
  const url = isJson(server) ? server["url"] : undefined;
  return typeof url === "string" ? `{ baseUrl: ${toLiteral(url)}, ...options }` : "options";
}

function spaceOf(root: Space, namespaces: readonly string[]): Space {
  let at = root;
  for (const name of namespaces) {
    const next = at.spaces.get(name) ?? { spaces: new Map(), functions: [] };
    at.spaces.set(name, next);
    at = next;
  }
  return at;
}

function writeSpace({ spaces, functions }: Space, indent: string): string {
  const inner = `${indent}  `;
  const parts = [
    ...[...spaces]
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, space]) => `${inner}${toKey(name)}: ${writeSpace(space, inner)},\n`),
    ...functions.map((text) => text.replaceAll(/^/gm, inner).trimEnd() + "\n"),
  ];
  return `{\n${parts.join("")}${indent}}`;
}

interface Written {
  readonly declarations: readonly string[];
  readonly functions: readonly string[];
}

function writeOperation(
  { namespaces, name, operation, isList, expand }: Placed,
  { types, names }: { readonly types: TypeWriter; readonly names: Names },
): Written {
  const title = [...namespaces, name].map(toPascalCase).join("");
  const declarations: string[] = [];
  const declare = (suffix: string, text: string, parameters = ""): string => {
    const type = names.take(`${title}${suffix}`);
    declarations.push(`export type ${type}${parameters} = ${text};`);
    return type;
  };
  const { params, query, body, answer } = operation;
  const plainType = toAnswerType(operation, types, (text) => declare("Answer", text));
  const wholeType = expand.length === 0 ? null : toExpandedType(plainType, answer.schemas[0], expand);
  const answerType = wholeType ?? plainType;
  const pathType = expand.length === 0 ? null : declare("Expand", expand.map(toLiteral).join(" | "));
  const queryType =
    query.length === 0
      ? null
      : declareQuery(operation, { types, pathType, isGeneric: wholeType !== null, declare });
  const bodyType = body === null ? null : declare("Body", writeBody(body, types));
  const isQueryNeeded = query.some(({ isRequired }) => isRequired);
  const given = [
    ...params.map((one) => `${one.name}: ${toParameterType(types.write(one.schema))}`),
    ...(bodyType === null
      ? []
      : [toArgument("body", bodyType, { isNeeded: body?.isRequired === true, isLast: !isQueryNeeded })]),
    ...(queryType === null ? [] : [`query: ${queryType}${isQueryNeeded ? "" : " = {}"}`]),
    "options?: RequestOptions",
  ];
  const asked = pathType === null ? "query" : "query: joinExpand(query)";
  const parts = [
    ...(params.length === 0 ? [] : [`params: [${params.map((one) => one.name).join(", ")}]`]),
    ...(queryType === null ? [] : [asked]),
    ...(body === null ? [] : ["body", `bodyType: ${toLiteral(body.type)}`]),
    "options",
  ];
  const call = (of: readonly string[]): string =>
    `call<${answerType}>(${toLiteral(operation.method.toUpperCase())}, ${toLiteral(operation.path)}, ${toLiteral(answer.kind)}, { ${of.join(", ")} })`;
  const comment = toComment([operation.summary, operation.description], "");
  const generic = wholeType === null ? "" : `<Path extends ${pathType} = never>`;
  const functions = [
    `${comment}${toKey(name)}: ${generic}(${given.join(", ")}): Promise<${answerType}> =>\n  ${call(parts)},\n`,
  ];
  if (isList && queryType !== null && !isQueryNeeded && isPage(answer.schemas[0])) {
    functions.push(
      `/** All of them, page after page */\nall: ${generic}(query: ${queryType} = {}, options?: RequestOptions) =>\n  eachItem((query: ${queryType}) => ${call([asked, "options"])}, query),\n`,
    );
  }
  return { declarations, functions };
}

/** What is answered once relations are asked for; null where that isn't rows. */
function toExpandedType(type: string, schema: unknown, expand: readonly string[]): string | null {
  if (isPage(schema)) return `ExpandedPage<${type}, Path>`;
  const properties = isJson(schema) ? schema["properties"] : undefined;
  const isRow = isJson(properties) && expand.some((path) => (path.split(".")[0] ?? "") in properties);
  return isRow ? `Expanded<${type}, Path>` : null;
}

/** Declares the query of an operation; returns its type, for the relations `Path` where it is generic. */
function declareQuery(
  operation: Operation,
  {
    types,
    pathType,
    isGeneric,
    declare,
  }: {
    readonly types: TypeWriter;
    readonly pathType: string | null;
    readonly isGeneric: boolean;
    readonly declare: (suffix: string, text: string, parameters?: string) => string;
  },
): string {
  if (pathType === null) return declare("Query", writeQuery(operation, types));
  const query = writeQuery(operation, types, "Path");
  const type = declare("Query", query, `<Path extends ${pathType} = ${pathType}>`);
  return isGeneric ? `${type}<Path>` : type;
}

function toArgument(
  name: string,
  type: string,
  { isNeeded, isLast }: { readonly isNeeded: boolean; readonly isLast: boolean },
): string {
  if (isNeeded) return `${name}: ${type}`;
  return isLast ? `${name}?: ${type}` : `${name}: ${type} | undefined`;
}

function isPage(schema: unknown): boolean {
  const properties = isJson(schema) ? schema["properties"] : undefined;
  return isJson(properties) && ["items", "page", "per_page"].every((name) => name in properties);
}

function toAnswerType(
  { answer: { kind, schemas } }: Operation,
  types: TypeWriter,
  declare: (text: string) => string,
): string {
  if (kind === "none") return "void";
  if (kind === "text") return "string";
  if (kind === "response") return "Response";
  if (kind === "any") return "unknown";
  return declare([...new Set(schemas.map((schema) => types.write(schema)))].join(" | "));
}

function toParameterType(type: string): string {
  return type === "number" || type === "string" ? type : "string | number";
}

/** @param path type of the relations that can be asked for; undefined where there are none */
function writeQuery({ query }: Operation, types: TypeWriter, path?: string): string {
  const fields = query
    .filter(({ isOpen }) => !isOpen)
    .map(({ name, isRequired, schema, description }) => {
      const type = types.write(schema);
      // One value goes for a list of one.
      const isArray = isJson(schema) && schema["type"] === "array" && type.endsWith(")[]");
      const isPath = path !== undefined && name === EXPAND;
      const either = isPath
        ? `${path} | readonly ${path}[]`
        : isArray
          ? `${type} | ${type.slice(0, -2)}`
          : type;
      const optional = isRequired ? `: ${either}` : `?: ${either} | undefined`;
      return `${toComment([description], "  ")}  ${toKey(name)}${optional};\n`;
    });
  const open = query.some(({ isOpen }) => isOpen) ? "  [name: string]: unknown;\n" : "";
  return `{\n${fields.join("")}${open}}`;
}

function writeBody({ type, schema, takesFiles }: NonNullable<Operation["body"]>, types: TypeWriter): string {
  if (type === "application/json") return `${types.write(schema)}${takesFiles ? " | Blob | FormData" : ""}`;
  if (type === "multipart/form-data") return "FormData";
  if (type === "application/x-www-form-urlencoded") return "URLSearchParams";
  return "Blob | ArrayBuffer | ReadableStream | string";
}
