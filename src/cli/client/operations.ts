import { Names, toCamelCase, toParameterName, toPascalCase } from "./names.ts";
import { isJson, type Json } from "./types.ts";

export type AnswerKind = "json" | "text" | "none" | "response" | "any";

export interface Parameter {
  readonly name: string;
  readonly isRequired: boolean;
  readonly schema: unknown;
  readonly description: unknown;
  /** Whether it stands for any names. */
  readonly isOpen: boolean;
}

/** One request that the client can make. */
export interface Operation {
  readonly method: string;
  readonly path: string;
  readonly summary: unknown;
  readonly description: unknown;
  /** What its parameters in the path are called, in their order. */
  readonly params: readonly { readonly name: string; readonly schema: unknown }[];
  readonly query: readonly Parameter[];
  readonly body: Body | null;
  readonly answer: { readonly kind: AnswerKind; readonly schemas: readonly unknown[] };
}

export interface Body {
  readonly type: string;
  readonly schema: unknown;
  readonly isRequired: boolean;
  /** Whether it is also sent as a file. */
  readonly takesFiles: boolean;
}

/** Where in the client an operation stands: its namespaces, and its own name. */
export interface Placed {
  readonly namespaces: readonly string[];
  readonly name: string;
  readonly operation: Operation;
  /** Whether it lists the rows of a resource, page by page. */
  readonly isList: boolean;
  /** The relations that it can be asked for: "company", "company.parent". */
  readonly expand: readonly string[];
}

/** A resource, by the path that it is served at. */
export interface ServedResource {
  readonly plugin: string;
  readonly name: string;
  readonly path: string;
  /** The relations that its rows can be asked for with. */
  readonly expand: readonly string[];
}

/** The parameter that asks for the relations of a row. */
export const EXPAND = "expand";

const METHODS = ["get", "post", "put", "patch", "delete"];
const OF_ROWS: Readonly<Record<string, string>> = { get: "list", post: "create" };
const OF_ROW: Readonly<Record<string, string>> = {
  get: "get",
  put: "replace",
  patch: "update",
  delete: "delete",
};
const FORMS = ["multipart/form-data", "application/x-www-form-urlencoded"];

/** Finds where each operation of an OpenAPI document stands in the client; the same always in the same order. */
export function placeOperations(document: Json, resources: readonly ServedResource[]): Placed[] {
  const places = new Map<string, Names>();
  const take = (namespaces: readonly string[], names: readonly string[]): string => {
    const key = namespaces.join(".");
    const taken = places.get(key) ?? new Names([]);
    places.set(key, taken);
    return taken.take(names.find((name) => !taken.has(name)) ?? names.at(-1) ?? "");
  };
  const spaces = placeResources(resources, take);
  // Those of resources first: their names are shorter, and stay what they are.
  const operations = listOperations(document).map((operation) => ({
    operation,
    resource: findResource(operation.path, resources),
  }));
  return [true, false].flatMap((ofResources) =>
    operations
      .filter(({ resource }) => (resource !== null) === ofResources)
      .map(({ operation, resource }) => {
        const inside = operation.path.slice(resource?.path.length ?? 0);
        const namespaces = resource === null ? [namespaceOf(operation.path)] : (spaces.get(resource) ?? []);
        const names = resource === null ? [toPlainName(operation)] : toActions(operation.method, inside);
        const isList = resource !== null && operation.method === "get" && inside === "";
        const expand = operation.query.some(({ name }) => name === EXPAND) ? (resource?.expand ?? []) : [];
        return { namespaces, name: take(namespaces, names), operation, isList, expand };
      }),
  );
}

function placeResources(
  resources: readonly ServedResource[],
  take: (namespaces: readonly string[], names: readonly string[]) => string,
): Map<ServedResource, readonly string[]> {
  const sorted = resources.toSorted((a, b) => (`${a.plugin}.${a.name}` < `${b.plugin}.${b.name}` ? -1 : 1));
  return new Map(
    sorted.map((resource) => {
      const plugin = toCamelCase(resource.plugin);
      return [resource, [plugin, take([plugin], [toCamelCase(resource.name)])]];
    }),
  );
}

function findResource(path: string, resources: readonly ServedResource[]): ServedResource | null {
  const around = resources.filter((one) => path === one.path || path.startsWith(`${one.path}/`));
  return around.toSorted((a, b) => b.path.length - a.path.length)[0] ?? null;
}

/** What an operation of a resource may be called, the best first. */
function toActions(method: string, inside: string): string[] {
  const words = inside.split("/").filter((word) => word !== "" && !word.includes("{"));
  const plain =
    inside === "" ? OF_ROWS[method] : words.length === 0 ? OF_ROW[method] : toCamelCase(words.join("-"));
  const long = method + toPascalCase(words.join("-") || (inside === "" ? "all" : "one"));
  return plain === undefined ? [long] : [plain, long];
}

function namespaceOf(path: string): string {
  const [first = ""] = path.split("/").slice(1);
  return toCamelCase(first.includes("{") ? "" : first);
}

/** Of "/system/jobs/{id}": "getJobsById", as its namespace says the rest. */
function toPlainName({ method, path }: Operation): string {
  const words = path.split("/").slice(path.startsWith("/{") ? 1 : 2);
  const named = words
    .filter((word) => word !== "")
    .map((word) => {
      const [fixed = "", ...others] = word.split(/[{}]+/);
      return [fixed, ...others.filter((one) => one !== "").map((one) => `by-${one}`)].join("-");
    });
  return named.length === 0 ? method : method + toPascalCase(named.join("-"));
}

function listOperations({ paths }: Json): Operation[] {
  const all = Object.entries(isJson(paths) ? paths : {}).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return all.flatMap(([path, operations]) =>
    METHODS.flatMap((method) => {
      const found = isJson(operations) ? operations[method] : undefined;
      return isJson(found) ? [readOperation(method, path, found)] : [];
    }),
  );
}

function readOperation(method: string, path: string, operation: Json): Operation {
  const { parameters, requestBody, responses, summary, description } = operation;
  const all = (Array.isArray(parameters) ? parameters : []).filter(isJson);
  const names = new Names([]);
  const params = [...path.matchAll(/\{([^}]*)\}/g)].map(([, name = ""]) => ({
    name: names.take(toParameterName(name)),
    schema: all.find((one) => one["in"] === "path" && one["name"] === name)?.["schema"],
  }));
  return {
    method,
    path,
    summary,
    description,
    params,
    query: all.filter((one) => one["in"] === "query").map(readParameter),
    body: isJson(requestBody) ? readBody(requestBody) : null,
    answer: readAnswer(isJson(responses) ? responses : {}),
  };
}

function readParameter({ name, required, schema, content, description, style, explode }: Json): Parameter {
  const json = isJson(content) ? content["application/json"] : undefined;
  const found = schema ?? (isJson(json) ? json["schema"] : undefined);
  return {
    name: String(name),
    // What has a default may be left out, whatever is said.
    isRequired: required === true && !(isJson(found) && "default" in found),
    schema: found,
    description,
    isOpen: style === "form" && explode === true && isJson(found) && found["type"] === "object",
  };
}

function readBody({ content, required }: Json): Body | null {
  const types = Object.keys(isJson(content) ? content : {}).toSorted();
  const type = ["application/json", ...FORMS, ...types].find((one) => types.includes(one));
  if (type === undefined) return null;
  const media = (content as Json)[type];
  return {
    type,
    schema: isJson(media) ? media["schema"] : undefined,
    isRequired: required === true,
    takesFiles: types.some((one) => one !== "application/json" && !FORMS.includes(one)),
  };
}

function readAnswer(responses: Json): Operation["answer"] {
  const good = Object.entries(responses).filter(([status]) => status.startsWith("2"));
  const contents = good
    .map(([, response]) => (isJson(response) ? response["content"] : undefined))
    .filter(isJson);
  const types = new Set(contents.flatMap((content) => Object.keys(content)));
  if (types.size === 0) {
    const isNone = good.length > 0 && good.every(([status]) => status === "204" || status === "205");
    return { kind: isNone ? "none" : "any", schemas: [] };
  }
  const json = [...types].filter((type) => /[/+]json$/.test(type));
  if (json.length > 0) {
    const media = contents.flatMap((content) => json.flatMap((type) => content[type] ?? []));
    return { kind: "json", schemas: media.map((one) => (isJson(one) ? one["schema"] : undefined)) };
  }
  const isText = [...types].every((type) => /^text\/(?!event-stream|csv)/.test(type));
  return { kind: isText ? "text" : "response", schemas: [] };
}
