import { type AnyElysia, type Context, t } from "elysia";
import type { Principal, User } from "../../accounts/identity/principal.ts";
import type { Database } from "../../db/contract/database.ts";
import type { CoreDeclaration } from "../../db/schema/schema.ts";
import type { Dialect } from "../../db/contract/driver.ts";
import { Access } from "../access/access.ts";
import type { LiveChanges } from "../changes/live.ts";
import type { Resource } from "../definition/definition.ts";
import type { Resources } from "../definition/registry.ts";
import type { Row } from "../reading/expand.ts";
import { type Shape, toShape } from "../reading/fields.ts";
import { type ListQuery, presentOne } from "../reading/rows.ts";
import { answerSchemaOf, toDescribed } from "../schemas/answers.ts";
import { keySchemaOf } from "../schemas/bodies.ts";
import { columnParametersOf, rowQueryOf } from "../schemas/queries.ts";
import { assertMatch, toETag } from "../writing/versions.ts";
import type { Storage } from "../../storage/storage.ts";
import type { Work, Writer } from "../writing/writer.ts";

/** What the routes of one resource stand on. */
export interface ResourceRoutesOptions {
  readonly resource: Resource;
  /** All that are served. */
  readonly resources: Resources;
  /** What changes in their tables. */
  readonly changes: LiveChanges;
  /** What is used of the core's tables. */
  readonly core: CoreDeclaration;
  readonly db: Database;
  readonly writer: Writer;
  /** Creates a router that knows the guards. */
  readonly createRouter: () => AnyElysia;
  /** Whether somebody holds a permission. */
  readonly mayDo: (user: User, permission: string) => boolean;
  /** What somebody may do now: another object once that has changed. */
  readonly permissionsOf: (user: User) => object | null;
  readonly dialect: Dialect;
  readonly storage: Pick<Storage, "library">;
  /** Where a resource is served, once it is. */
  readonly pathOf: (resource: Resource) => string;
  /** Who makes a request, and with what; null for nobody known. */
  readonly principalOf: (request: Request) => Principal | null;
}

/** What a handler of these routes is given. */
export interface Given {
  readonly user: User | null;
  readonly request: Request;
  /** Of the request. */
  readonly path: string;
  readonly set: Context["set"];
  readonly params: { readonly id: unknown };
  readonly query: ListQuery;
  readonly body: Row;
}

type AddRoute = (path: string, handler: (given: Given) => unknown, options: object) => unknown;

/** A router whose guards are known by their names: what a route is given depends on the resource. */
export interface ResourceRouter {
  readonly get: AddRoute;
  readonly post: AddRoute;
  readonly patch: AddRoute;
  readonly delete: AddRoute;
}

/** What the routes of one resource share. */
export class Endpoint {
  readonly #options: ResourceRoutesOptions;
  readonly path: string;
  readonly parameters;
  readonly key;
  readonly rowQuery;
  /** Of a row, as it is answered. */
  readonly answer;
  /** What routes say that they answer with a row. */
  readonly answered;

  constructor(options: ResourceRoutesOptions) {
    const { resource } = options;
    this.#options = options;
    this.path = `/${resource.name}`;
    this.parameters = columnParametersOf(resource);
    this.key = t.Object({ id: keySchemaOf(resource) });
    this.rowQuery = rowQueryOf(resource);
    this.answer = answerSchemaOf(resource, options.resources);
    this.answered = toDescribed(() => this.answer);
  }

  /** What a route asks for. */
  guard(verb: "read" | "write" | "delete"): object {
    const { permission, isPublic } = this.#options.resource;
    const isOpen = verb === "read" ? isPublic : permission === null;
    return isOpen ? { optionalAuth: true } : { permission: `${permission}:${verb}` };
  }

  accessOf(user: User | null): Access {
    return toAccess(this.#options, user);
  }

  /**
   * Writes one row in a transaction, while it is the one that the client has read, and answers with it. What is asked of the answer is
   * looked at first: what is refused isn't written.
   *
   * @param at JSON Pointer of what is written in the request
   */
  async write(
    { user, query, set, request }: Pick<Given, "user" | "query" | "set" | "request">,
    at: string,
    write: (work: Work, onFound: (row: Row) => void) => Promise<Row>,
  ): Promise<Row> {
    const access = this.accessOf(user);
    const shape = toShape(access, query);
    const onFound = toMatch(request, access);
    const row = await this.#options.db.transaction((tx) => write({ tx, access, at }, onFound));
    return this.show(access, row, { shape, set });
  }

  /** Keeps the files that come with a body while `write` writes the row that refers to them, and no longer where that fails. */
  async receive<T>(user: User | null, body: Row, write: (values: Row) => Promise<T>): Promise<T> {
    const { files } = this.#options.resource;
    if (files === null) return write(body);
    const { values, discard } = await files.receive(body, this.accessOf(user));
    try {
      return await write(values);
    } catch (error) {
      await discard();
      throw error;
    }
  }

  /** A row that was written, as its client is shown it: in a shape that was read before anything was written. */
  show(
    access: Access,
    row: Row,
    { shape, set }: Pick<Given, "set"> & { readonly shape: Shape },
  ): Row | Promise<Row> {
    set.headers["etag"] = toETag(row, access);
    return presentOne(row, shape, { db: this.#options.db, access });
  }
}

/** What somebody may do with a resource. */
export function toAccess(
  { resource, resources, mayDo }: Pick<ResourceRoutesOptions, "resource" | "resources" | "mayDo">,
  user: User | null,
): Access {
  const can = (permission: string): boolean => user !== null && mayDo(user, permission);
  return new Access(resource, { user, can }, resources);
}

/** Looks whether a row is the one that the client of a request has read. */
export function toMatch(request: Request, access: Access): (row: Row) => void {
  const ifMatch = request.headers.get("if-match");
  return (row) => assertMatch(ifMatch, row, access);
}
