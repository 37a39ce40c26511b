import { type AnyElysia, type Context, t } from "elysia";
import type { User } from "../accounts/identity/principal.ts";
import type { Database } from "../db/contract/database.ts";
import { listOf } from "../db/paging/paginate.ts";
import { Access } from "./access/access.ts";
import type { Resource } from "./definition/definition.ts";
import type { Row } from "./reading/expand.ts";
import { type ListQuery, listRows, present, readRow } from "./reading/rows.ts";
import { toShape } from "./reading/fields.ts";
import type { Resources } from "./definition/registry.ts";
import { answerSchemaOf, changeSchemaOf, newSchemaOf, keySchemaOf } from "./schemas/bodies.ts";
import { columnParametersOf, listQueryOf, rowQueryOf } from "./schemas/queries.ts";
import { assertMatch, toETag } from "./writing/versions.ts";
import type { Writer } from "./writing/writer.ts";

export interface ResourceRoutesOptions {
  readonly resource: Resource;
  readonly resources: Resources;
  readonly db: Database;
  readonly writer: Writer;
  /** Creates a router that knows the guards. */
  readonly createRouter: () => AnyElysia;
  /** Whether somebody holds a permission. */
  readonly mayDo: (user: User, permission: string) => boolean;
}

/** What a handler of these routes is given. */
interface Given {
  readonly user: User | null;
  readonly request: Request;
  readonly set: Context["set"];
  readonly params: { readonly id: unknown };
  readonly query: ListQuery;
  readonly body: Row;
}

type AddRoute = (path: string, handler: (given: Given) => unknown, options: object) => unknown;

/** A router whose guards are known by their names: what a route is given depends on the resource. */
interface ResourceRouter {
  readonly get: AddRoute;
  readonly post: AddRoute;
  readonly patch: AddRoute;
  readonly delete: AddRoute;
}

/** What the routes of one resource share. */
class Endpoint {
  readonly #options: ResourceRoutesOptions;
  readonly path: string;
  readonly parameters;
  readonly key;
  readonly rowQuery;
  readonly answer;

  constructor(options: ResourceRoutesOptions) {
    const { resource } = options;
    this.#options = options;
    this.path = `/${resource.name}`;
    this.parameters = columnParametersOf(resource);
    this.key = t.Object({ id: keySchemaOf(resource) });
    this.rowQuery = rowQueryOf(resource);
    this.answer = answerSchemaOf(resource);
  }

  /** What a route asks for. */
  guard(verb: "read" | "write" | "delete"): object {
    const { permission } = this.#options.resource;
    return permission === null ? { optionalAuth: true } : { permission: `${permission}:${verb}` };
  }

  accessOf(user: User | null): Access {
    const { resource, resources, mayDo } = this.#options;
    const can = (permission: string): boolean => user !== null && mayDo(user, permission);
    return new Access(resource, { user, can }, resources);
  }

  /** A row that was written, as its client is shown it. */
  async show(access: Access, row: Row, { query, set }: Pick<Given, "query" | "set">): Promise<Row> {
    set.headers["etag"] = toETag(row);
    const [shown = row] = await present([row], toShape(access, query), { db: this.#options.db, access });
    return shown;
  }
}

/** The routes of a resource, below its path. */
export function createResourceRoutes(options: ResourceRoutesOptions): AnyElysia {
  const endpoint = new Endpoint(options);
  const router = options.createRouter() as unknown as ResourceRouter;
  addReading(router, endpoint, options);
  addCreation(router, endpoint, options);
  addChanges(router, endpoint, options);
  return router as unknown as AnyElysia;
}

function addReading(
  router: ResourceRouter,
  endpoint: Endpoint,
  { resource, db }: ResourceRoutesOptions,
): void {
  const { path, parameters, key, rowQuery, answer } = endpoint;
  router.get(path, ({ user, query }) => listRows(db, endpoint.accessOf(user), { query, parameters }), {
    ...endpoint.guard("read"),
    query: listQueryOf(resource, parameters),
    response: t.NoValidate(listOf(answer)),
    detail: { summary: `List ${resource.name}` },
  });
  router.get(
    `${path}/:id`,
    async ({ user, params: { id }, query, set }) => {
      const { row, shown } = await readRow(db, endpoint.accessOf(user), id, query);
      set.headers["etag"] = toETag(row);
      return shown;
    },
    {
      ...endpoint.guard("read"),
      params: key,
      query: rowQuery,
      response: t.NoValidate(answer),
      detail: { summary: `Read a ${resource.singular}` },
    },
  );
}

function addCreation(
  router: ResourceRouter,
  endpoint: Endpoint,
  { resource, db, writer }: ResourceRoutesOptions,
): void {
  router.post(
    endpoint.path,
    async ({ user, body, query, set, request }) => {
      const access = endpoint.accessOf(user);
      const row = await db.transaction((tx) => writer.create(body, { tx, access, at: "/body" }));
      const id = encodeURIComponent(String(row[resource.key.name]));
      set.status = 201;
      set.headers["location"] = `${new URL(request.url).pathname.replace(/\/$/, "")}/${id}`;
      return endpoint.show(access, row, { query, set });
    },
    {
      ...endpoint.guard("write"),
      idempotent: true,
      query: endpoint.rowQuery,
      body: newSchemaOf(resource),
      response: { 201: t.NoValidate(endpoint.answer) },
      detail: { summary: `Make a ${resource.singular}` },
    },
  );
}

function addChanges(
  router: ResourceRouter,
  endpoint: Endpoint,
  { resource, db, writer }: ResourceRoutesOptions,
): void {
  const path = `${endpoint.path}/:id`;
  router.patch(
    path,
    async ({ user, params: { id }, body, query, set, request }) => {
      const access = endpoint.accessOf(user);
      const onFound = toMatch(request, access);
      const row = await db.transaction((tx) => writer.change(id, body, { tx, access, at: "/body" }, onFound));
      return endpoint.show(access, row, { query, set });
    },
    {
      ...endpoint.guard("write"),
      params: endpoint.key,
      query: endpoint.rowQuery,
      body: changeSchemaOf(resource),
      response: t.NoValidate(endpoint.answer),
      detail: { summary: `Change a ${resource.singular}` },
    },
  );
  router.delete(
    path,
    async ({ user, params: { id }, set, request }) => {
      const access = endpoint.accessOf(user);
      const onFound = toMatch(request, access);
      await db.transaction((tx) => writer.remove(id, { tx, access, at: "" }, onFound));
      set.status = 204;
    },
    {
      ...endpoint.guard("delete"),
      params: endpoint.key,
      response: { 204: t.Void() },
      detail: { summary: `Delete a ${resource.singular}` },
    },
  );
}

/** Looks whether a row is the one that the client has read. */
function toMatch(request: Request, access: Access): (row: Row) => void {
  const ifMatch = request.headers.get("if-match");
  return (row) => assertMatch(ifMatch, row, () => pickVisible(access, row));
}

function pickVisible({ visible }: Access, row: Row): Row {
  return Object.fromEntries([...visible.keys()].map((name) => [name, row[name]]));
}
