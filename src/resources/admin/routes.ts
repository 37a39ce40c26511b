import { Elysia, t } from "elysia";
import type { Guards } from "../../accounts/identity/guards.ts";
import type { User } from "../../accounts/identity/principal.ts";
import type { UserDirectory } from "../../accounts/user-directory.ts";
import type { Database } from "../../db/contract/database.ts";
import { kindOf } from "../../db/schema/column-kind.ts";
import { fail, invalidRequest } from "../../errors/codes.ts";
import type { Access } from "../access/access.ts";
import type { Resource } from "../definition/definition.ts";
import { fullNameOf } from "../definition/names.ts";
import { describeResource, ResourceDescription } from "./descriptions.ts";
import { explain, Explanation } from "./explanations.ts";
import { missing, type ReadableOptions, ReadableResources } from "./readable.ts";

export interface ResourceAdminOptions extends ReadableOptions {
  readonly db: Database;
  readonly guards: Guards;
  readonly users: UserDirectory;
  /** Where a resource is served. */
  readonly pathOf: (resource: Resource) => string;
  /** Is told of what a rule of a resource throws. */
  readonly onError: (error: unknown, resource: string, rule: string) => void;
}

const Name = t.Object({
  name: t.String({ maxLength: 200, description: "The plugin's and its own: crm.deals" }),
});

/** Serves what the tables of plugins offer, and why somebody doesn't see a row, below `/system/resources`. */
export function resourceRoutes(options: ResourceAdminOptions) {
  const desk = new ResourceDesk(options);
  return new Elysia({ name: "xcore/resources", prefix: "/system/resources", detail: { tags: ["system"] } })
    .use(options.guards)
    .get("", ({ user, query }) => desk.list(user, query), {
      auth: true,
      query: t.Object({
        page: t.Optional(t.Integer({ minimum: 1, default: 1 })),
        per_page: t.Optional(t.Integer({ minimum: 1, maximum: 100, default: 20 })),
      }),
      response: t.Object({
        items: t.Array(ResourceDescription),
        page: t.Integer(),
        per_page: t.Integer(),
        total: t.Integer(),
      }),
      detail: { summary: "The resources that you may read, in order of name" },
    })
    .get("/:name", ({ user, params }) => desk.read(user, params.name), {
      auth: true,
      params: Name,
      response: ResourceDescription,
      detail: { summary: "One resource that you may read" },
    })
    .get("/:name/explain", ({ params, query }) => desk.explain(params.name, query), {
      permission: "resources:explain",
      params: Name,
      query: t.Object({
        id: t.String({ minLength: 1, maxLength: 500, description: "The key of the row" }),
        user: t.String({ minLength: 1, maxLength: 320, description: "The id, or the email, of an account" }),
      }),
      response: Explanation,
      detail: { summary: "Say why somebody sees a row, or doesn't" },
    });
}

class ResourceDesk {
  readonly #options: ResourceAdminOptions;
  readonly #readable: ReadableResources;

  constructor(options: ResourceAdminOptions) {
    this.#options = options;
    this.#readable = new ReadableResources(options);
  }

  list(user: User, query: { readonly page?: number; readonly per_page?: number }) {
    const { page = 1, per_page = 20 } = query;
    const all = this.#readable.list(user).flatMap((access) => this.#describe(access) ?? []);
    const items = all.slice((page - 1) * per_page, page * per_page);
    return { items, page, per_page, total: all.length };
  }

  /** @throws AppError not_found for one that isn't there to whoever asks */
  read(user: User, name: string): ResourceDescription {
    const described = this.#describe(this.#readable.open(user, name));
    if (described === null) throw missing(name);
    return described;
  }

  /** @throws AppError not_found for a resource or an account that isn't there, validation_error for what is no key */
  async explain(name: string, asked: { readonly id: string; readonly user: string }) {
    const { db, resources, users, permissionsOf, onError } = this.#options;
    const resource = this.#readable.find(name);
    const id = toKey(resource, asked.id);
    const isId = /^\d{1,15}$/.test(asked.user);
    const user = await (isId ? users.find(Number(asked.user)) : users.findByEmail(asked.user));
    if (user === null) throw fail("not_found", `Cannot find user "${asked.user}"`);
    const permissions = permissionsOf(user);
    return explain({
      db,
      resource,
      resources,
      user,
      can: (permission) => permissions?.has(permission) ?? false,
      id,
      onError: (error, rule) => onError(error, name, rule),
    });
  }

  /** Null where its rules fail. */
  #describe(access: Access): ResourceDescription | null {
    const { resources, pathOf, onError } = this.#options;
    try {
      return describeResource(access, { path: pathOf(access.resource), resources });
    } catch (error) {
      onError(error, fullNameOf(access.resource), "fields");
      return null;
    }
  }
}

/** @throws AppError validation_error for what is no key of the table */
function toKey({ key }: Resource, text: string): unknown {
  const isNumber = ["id", "integer", "bigint", "references"].includes(kindOf(key).type);
  const value = isNumber && /^-?\d{1,16}$/.test(text) ? Number(text) : text;
  try {
    key.mapToDriverValue(value);
    return value;
  } catch {
    const message = `Expected a value of "${key.name}"`;
    throw invalidRequest([{ path: "/query/id", code: "invalid", message }]);
  }
}
