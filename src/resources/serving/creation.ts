import type { TObject, TSchema } from "@sinclair/typebox";
import { t } from "elysia";
import { ConstraintError } from "../../db/contract/database-error.ts";
import type { Database } from "../../db/contract/database.ts";
import { invalidRequest } from "../../errors/codes.ts";
import type { Access } from "../access/access.ts";
import type { Row } from "../reading/expand.ts";
import { toShape } from "../reading/fields.ts";
import { newSchemaOf } from "../schemas/bodies.ts";
import type { Merged, Writer } from "../writing/writer.ts";
import type { Endpoint, Given, ResourceRouter, ResourceRoutesOptions } from "./endpoint.ts";

type GivenToCreate = Omit<Given, "params">;
type UniqueKey = ResourceRoutesOptions["resource"]["uniqueKeys"][number];

const APPLIED = "resolution=merge";

/** Of what a client would rather have (RFC 7240, 2): what becomes of a row that has the same unique value. */
const MERGES = /(?:^|,)\s*resolution\s*=\s*(?:merge|"merge")\s*(?=[,;]|$)/i;

/** Adds the route that makes rows, or with `Prefer: resolution=merge` changes the one that is there. */
export function addCreation(
  router: ResourceRouter,
  endpoint: Endpoint,
  { resource, db, writer }: ResourceRoutesOptions,
): void {
  const schema = newSchemaOf(resource);
  const keys = givenKeysOf(resource, schema);
  const create = async ({ user, body, query, set, request, path }: GivenToCreate): Promise<Row> => {
    const access = endpoint.accessOf(user);
    const shape = toShape(access, query);
    const prefer = request.headers.get("prefer");
    const isMerge = prefer !== null && MERGES.test(prefer);
    const key = toKey(query[CONFLICT], { keys, access, isMerge });
    const { row, isNew } =
      key === null
        ? { row: await writer.createAlone(body, { db, access }), isNew: true }
        : await mergeRow(body, key, { db, writer, access });
    if (isMerge) set.headers["preference-applied"] = APPLIED;
    if (isNew) {
      set.status = 201;
      set.headers["location"] = toLocation(path, row[resource.key.name]);
    }
    return endpoint.show(access, row, { shape, set });
  };
  const createWithFiles = ({ user, body: sent, query, set, request, path }: GivenToCreate): Promise<Row> =>
    endpoint.receive(user, sent, (body) => create({ user, body, query, set, request, path }));
  router.post(endpoint.path, resource.files === null ? create : createWithFiles, {
    ...endpoint.guard("write"),
    idempotent: true,
    query: withConflict(endpoint.rowQuery, [...keys.keys()]),
    body: schema,
    response: {
      201: endpoint.answered,
      ...(keys.size > 0 && { 200: endpoint.answered }),
    },
    detail: {
      summary: `Make a ${resource.singular}`,
      ...(keys.size > 0 && {
        description: `With \`Prefer: ${APPLIED}\` the ${resource.singular} with the same ${[...keys.keys()].join(" or ")} is changed, where there is one: 200.`,
      }),
    },
  });
}

function toLocation(path: string, id: unknown): string {
  const segment = typeof id === "number" ? String(id) : encodeURIComponent(String(id));
  return path.endsWith("/") ? path + segment : `${path}/${segment}`;
}

const CONFLICT = "on_conflict";

function withConflict(query: TObject, names: readonly string[]): TObject {
  if (names.length === 0) return query;
  const conflict: TSchema = t.UnionEnum(names as [string, ...string[]], {
    description: `What is unique, with \`Prefer: ${APPLIED}\`; where one alone is, that`,
  });
  return t.Object({ ...query.properties, [CONFLICT]: t.Optional(conflict) });
}

/** What is unique of that which clients give, by its name in a query. */
function givenKeysOf(
  { uniqueKeys }: ResourceRoutesOptions["resource"],
  { properties }: TObject,
): ReadonlyMap<string, UniqueKey> {
  const given = uniqueKeys.filter((columns) => columns.every(({ name }) => name in properties));
  return new Map(given.map((columns) => [columns.map(({ name }) => name).join(","), columns]));
}

/**
 * By what a row is found that is to be changed; null where one is to be made.
 *
 * @throws AppError validation_error where that isn't known
 */
function toKey(
  asked: unknown,
  {
    keys,
    access,
    isMerge,
  }: { readonly keys: ReadonlyMap<string, UniqueKey>; readonly access: Access; readonly isMerge: boolean },
): UniqueKey | null {
  if (!isMerge) {
    if (asked === undefined) return null;
    throw refuse("invalid", `It is for the header "Prefer: ${APPLIED}" alone`);
  }
  const visible = new Map(
    [...keys].filter(([, columns]) => columns.every(({ name }) => access.visible.has(name))),
  );
  const names = [...visible.keys()];
  if (names.length === 0) throw refuse("invalid", "Nothing is unique here by what a row could be found");
  if (asked === undefined && names.length > 1)
    throw refuse("required", `Expected one of ${names.join(", ")}`);
  const key = visible.get(typeof asked === "string" ? asked : (names[0] ?? ""));
  if (key === undefined) throw refuse("one_of", `Expected one of ${names.join(", ")}`);
  return key;
}

async function mergeRow(
  given: Row,
  key: UniqueKey,
  { db, writer, access }: { readonly db: Database; readonly writer: Writer; readonly access: Access },
): Promise<Merged> {
  const errors = key
    .filter(({ name }) => (given[name] ?? null) === null)
    .map(({ name }) => ({ path: `/body/${name}`, code: "required", message: "The row is found by it" }));
  if (errors.length > 0) throw invalidRequest(errors);
  const merge = (isSecond: boolean): Promise<Merged> =>
    db.transaction((tx) => writer.merge(given, key, { work: { tx, access, at: "/body" }, isSecond }));
  return merge(false).catch((error: unknown) => {
    // Somebody else has made it meanwhile; or else it isn't there to whoever asks, and is refused again.
    if (error instanceof ConstraintError && error.constraint === "unique") return merge(true);
    throw error;
  });
}

function refuse(code: string, message: string): Error {
  return invalidRequest([{ path: `/query/${CONFLICT}`, code, message }]);
}
