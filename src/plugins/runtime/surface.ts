import type { TSchema } from "@sinclair/typebox";
import type { AnyElysia } from "elysia";
import { guardsOf } from "../../accounts/identity/guards.ts";
import { toPortableSchema } from "../../jobs/jobs.ts";
import { answersAnyPath, listRoutes, type ServedRoute } from "../../web/routes.ts";
import { PluginError } from "../failure/failure.ts";
import type { Manifest } from "../source/manifest.ts";
import {
  declaresHook,
  type JobSurface,
  MAX_NAMES,
  type RouteSurface,
  showGuards,
  type Surface,
} from "../source/surface.ts";

/** Of the payloads of all jobs together, so that plugin.json stays small enough to be read. */
const MAX_PAYLOADS = 64 * 1024; // characters
const MAX_DIFFERENCES = 5; // shown
const NOT_DECLARED = 'the "surface" of its plugin.json doesn\'t declare it';
const ADVICE = 'its author must pack it anew with `xcore plugin pack`, or take "surface" out';

type Registering = Pick<Manifest, "name" | "api_prefix" | "hooks" | "permissions" | "surface">;

/**
 * What one generation registers, held to the surface that its manifest declares: a registration that isn't declared
 * throws, in the place where the plugin makes it.
 */
export class Registrations {
  readonly #manifest: Registering;
  readonly #hooks: Set<string>;
  readonly #tables = new Set<string>();
  readonly #jobs = new Map<string, TSchema | null>();
  readonly #permissions = new Map<string, string>();

  constructor(manifest: Registering) {
    this.#manifest = manifest;
    this.#hooks = new Set(manifest.hooks);
  }

  /** Notes that it listens to an event. @throws TypeError when that isn't declared */
  addHook(event: string): void {
    const { surface } = this.#manifest;
    if (surface !== null && !declaresHook(surface, event)) {
      // Packing sees no setup().
      const advice = `its author must name it in "hooks" there, or listen at the top level, and pack it anew`;
      throw new TypeError(`Cannot listen to "${event}": ${NOT_DECLARED}; ${advice}`);
    }
    // A running plugin may listen to ever new names, and more than these can't be declared.
    if (this.#hooks.size <= MAX_NAMES) this.#hooks.add(event);
  }

  /** Notes that it has a table. @throws TypeError when that isn't declared */
  addTable(name: string): void {
    const { surface } = this.#manifest;
    if (surface !== null && !surface.tables.includes(name)) {
      throw new TypeError(`Cannot declare the table "${name}": ${NOT_DECLARED}; ${ADVICE}`);
    }
    this.#tables.add(name);
  }

  /** Notes that it defines a kind of jobs. */
  addJob(name: string, payload: TSchema | null): void {
    if (this.#jobs.size <= MAX_NAMES) this.#jobs.set(name, payload);
  }

  /** Notes a permission that it declares by its code. */
  addPermission(name: string, description: string): void {
    this.#permissions.set(name, description);
  }

  /** The permissions that its code declares, with what they are for; the manifest's own words for one go first. */
  get permissions(): Readonly<Record<string, string>> {
    const own = [...this.#permissions].filter(([name]) => !Object.hasOwn(this.#manifest.permissions, name));
    return Object.fromEntries(own);
  }

  /** Returns all that it has registered until now, with the routes of its app; the same always in the same order. */
  toSurface(app: AnyElysia): Surface {
    const routes = listRoutes(app).map(toRouteSurface);
    const { api_prefix: prefix } = this.#manifest;
    const isShown = routes.some(({ method, path }) => method === "ALL" && path === `${prefix}/*`);
    // xcore's own `onError` is one.
    if (!isShown && answersAnyPath(app, { ownErrorHooks: 1 })) {
      routes.push({ method: "ALL", path: `${prefix}/*`, guards: [] });
    }
    return {
      routes: inOrder(routes, ({ path, method }) => `${path} ${method}`),
      hooks: inOrder(this.#hooks),
      permissions: inOrder(permissionsOf(app)),
      tables: inOrder(this.#tables),
      jobs: toJobSurfaces(inOrder(this.#jobs, ([name]) => name)),
    };
  }

  /** @throws PluginError when the routes of its app, or what their guards ask for, aren't declared so */
  assertDeclared(app: AnyElysia): void {
    const { name, surface } = this.#manifest;
    if (surface === null) return;
    const differences = [...findDifferences(surface, this.toSurface(app))];
    if (differences.length === 0) return;
    const more = differences.length - MAX_DIFFERENCES;
    const shown = differences.slice(0, MAX_DIFFERENCES).join("; ") + (more > 0 ? `; and ${more} more` : "");
    throw new PluginError("import", `Cannot load "${name}": ${shown}: ${ADVICE}`);
  }
}

/** The permissions by name that the routes of an app ask for. */
export function permissionsOf(app: AnyElysia): ReadonlySet<string> {
  const guards = listRoutes(app).flatMap(guardsOf);
  return new Set(
    guards.flatMap((guard) => ("permission" in guard && guard.permission !== "*" ? guard.permission : [])),
  );
}

function* findDifferences(declared: Surface, { routes, permissions }: Surface): Iterable<string> {
  const known = new Map(declared.routes.map((route) => [keyOf(route), route]));
  for (const route of routes) {
    const expected = known.get(keyOf(route));
    const shown = `it serves ${keyOf(route)} (${showGuards(route)})`;
    if (expected === undefined) yield `${shown}, which its surface doesn't declare`;
    else if (!Bun.deepEquals(inOrder(expected.guards, JSON.stringify), route.guards))
      yield `${shown}, which its surface declares as ${showGuards(expected)}`;
  }
  for (const permission of permissions) {
    if (declared.permissions.includes(permission)) continue;
    yield `its guards ask for the permission ${permission}, which its surface doesn't declare`;
  }
}

function toJobSurfaces(jobs: readonly (readonly [string, TSchema | null])[]): JobSurface[] {
  let left = MAX_PAYLOADS;
  return jobs.map(([name, schema]) => {
    const payload = toPortableSchema(schema);
    left -= JSON.stringify(payload).length;
    return { name, payload: left < 0 ? null : payload };
  });
}

function toRouteSurface(route: ServedRoute): RouteSurface {
  const guards = new Map(guardsOf(route).map((guard) => [JSON.stringify(guard), guard]));
  return { method: route.method, path: route.path, guards: inOrder(guards.values(), JSON.stringify) };
}

function keyOf({ method, path }: RouteSurface): string {
  return `${method} ${path}`;
}

/** In the order of the code units of the keys, which no language changes. */
function inOrder<T>(values: Iterable<T>, toKey: (value: T) => string = String): T[] {
  const keyed = Array.from(values, (value) => [toKey(value), value] as const);
  return keyed.toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, value]) => value);
}
