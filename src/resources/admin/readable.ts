import type { Permissions, User } from "../../accounts/identity/principal.ts";
import { fail } from "../../errors/codes.ts";
import { Access } from "../access/access.ts";
import type { Resource } from "../definition/definition.ts";
import { fullNameOf } from "../definition/names.ts";
import type { Resources } from "../definition/registry.ts";
import { mayRead } from "./descriptions.ts";

export interface ReadableOptions {
  readonly resources: Resources;
  readonly permissionsOf: (user: User) => Permissions | null;
}

/** The resources that are served now, by their full names, as somebody may read them. */
export class ReadableResources {
  readonly #options: ReadableOptions;

  constructor(options: ReadableOptions) {
    this.#options = options;
  }

  /** Those that somebody may read, in order of name. */
  list(user: User): Access[] {
    return [...this.#all()]
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .flatMap(([, resource]) => this.#open(user, resource) ?? []);
  }

  /** @throws AppError not_found for one that isn't there to whoever asks */
  open(user: User, name: string): Access {
    const access = this.#open(user, this.find(name));
    if (access === null) throw missing(name);
    return access;
  }

  /** One, whoever may read it. @throws AppError not_found */
  find(name: string): Resource {
    const resource = this.#all().get(name);
    if (resource === undefined) throw missing(name);
    return resource;
  }

  #open(user: User, resource: Resource): Access | null {
    const { resources, permissionsOf } = this.#options;
    const permissions = permissionsOf(user);
    const can = (permission: string): boolean => permissions?.has(permission) ?? false;
    const access = new Access(resource, { user, can }, resources);
    return mayRead(access) ? access : null;
  }

  /** By name. While a plugin is swapped there are those of two generations: the newer ones count. */
  #all(): Map<string, Resource> {
    return new Map(this.#options.resources.list().map((resource) => [fullNameOf(resource), resource]));
  }
}

/** The error of a resource that isn't there to whoever asks. */
export function missing(name: string): Error {
  return fail("not_found", `Cannot find resource "${name}"`);
}
