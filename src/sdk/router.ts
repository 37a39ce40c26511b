import { type AnyElysia, Elysia, type InternalRoute } from "elysia";
import { type Guards, GUARDS } from "../accounts/identity/guards.ts";
import { mendTypes } from "./types.ts";

mendTypes();

/** Names that are easily mistaken for those of guards: types aren't checked when a plugin is loaded. */
const MISSPELT = [
  ["permissions", "permission"],
  ["roles", "role"],
] as const;

/** What comes of options that nobody has applied, other than a route that is open. */
const EFFECTS: Readonly<Record<string, string>> = {
  optionalAuth: "nobody would be known",
  idempotent: "a request that is sent again would be carried out again",
  rateLimit: "requests would be limited as those of any other route are",
};

type Method = (this: AnyElysia, ...args: unknown[]) => AnyElysia;

/** The apps with a name that an app uses, itself and through others. */
interface Uses {
  readonly direct: Map<string, AnyElysia>;
  readonly reached: Map<string, AnyElysia>;
}

type Overridden = "guard" | "group" | "add" | "_use";

const base = Elysia.prototype as unknown as Readonly<Record<Overridden, Method>>;

/** Where handlers were first given to a route. */
const places = new WeakMap<object, Error>();
const uses = new WeakMap<AnyElysia, Uses>();
const PIECE = 100; // routes
/** Of one app: a stack for each of thousands keeps the collector of garbage busy for longer than all the rest takes. */
const MAX_PLACES = 1000;
const BUNDLE_FRAME = /plugin-bundle:[^\s()]+:\d+:\d+/;

/**
 * The Elysia that plugins import. It knows no guards, and Elysia forgets options that it doesn't know: so here
 * `guard({ permission: … })` throws, which would otherwise leave its routes open without a trace. Nor does it let a route take the place of another,
 * or forget the hooks of an app because another one has its name, or open a port, which no generation would close.
 */
export class PluginElysia extends Elysia {
  // A property, as it is of Elysia's.
  override listen = refuseToListen;
}

const overrides: Record<Overridden, Method> = {
  add(...args) {
    const [method, path, handler] = args as [string, string, unknown];
    assertNew(this, method, toWholePath(this, path, args[4]), handler);
    const isFew = this.router.history.length < MAX_PLACES;
    if (isFew && typeof handler === "function" && !places.has(handler))
      places.set(handler, new Error("declared here"));
    return base.add.apply(this, args);
  },
  _use(...args) {
    if (args[0] instanceof Elysia) assertOther(this, args[0]);
    return base["_use"].apply(this, args);
  },
  guard(...args) {
    // Elysia takes an option out as it applies its guard: those that are given may be given again.
    const [options] = args;
    const own = typeof options === "object" ? { ...options } : options;
    const made = base.guard.apply(this, [own, ...args.slice(1)].map(watchNested));
    // With a callback, the routes are looked at: see assertGuarded.
    if (args[1] === undefined) assertApplied(own, "guard()");
    return made;
  },
  group(...args) {
    return base.group.apply(this, args.map(watchNested));
  },
};
Object.assign(PluginElysia.prototype, overrides);

/** Creates the router of a plugin, which knows the guards: one instance for all plugins. */
export function createPluginRouter(guards: Guards) {
  return new PluginElysia().use(guards);
}

/**
 * Refuses a router with guards that nobody has applied: those routes would be open.
 *
 * @throws TypeError that names the route
 */
export function assertGuarded(router: AnyElysia): void {
  for (const { method, path, hooks } of router.router.history) {
    assertApplied(hooks, method === "WS" ? `WebSocket "${path}"` : `${method} "${path}"`);
  }
}

/**
 * Gives an app that has nothing yet all that a router has, as `app.use(router)` does, but for one thing: it adds a few
 * routes at a time and waits for `pause` between them.
 */
export async function useInPieces(
  app: AnyElysia,
  router: AnyElysia,
  pause: () => Promise<void>,
): Promise<void> {
  const { router: routes } = router as { router: { history: InternalRoute[] } };
  const { history } = routes;
  const parts = app as unknown as { event: object; validator: { global: unknown; local: unknown } };
  const { event: ownEvent } = parts;
  routes.history = [];
  try {
    app.use(router);
  } finally {
    routes.history = history;
  }
  // What it has for the routes of others isn't for its own, which have it already.
  const { event, validator } = parts;
  const { global, local } = validator;
  parts.event = ownEvent;
  Object.assign(validator, { global: null, local: null });
  for (const [index, { method, path, handler, hooks }] of history.entries()) {
    // oxlint-disable-next-line no-await-in-loop -- that is what it is for
    if (index % PIECE === PIECE - 1) await pause();
    app["add"](method, path, handler, hooks);
  }
  parts.event = event;
  Object.assign(validator, { global, local });
}

function refuseToListen(): never {
  const instead =
    "take listen() out; for a server of its own, use Bun.serve() in setup(), and stop it in teardown()";
  throw new TypeError(`Cannot listen on a port: xcore serves the plugin, below its prefix; ${instead}`);
}

/** Elysia would forget the first of the two. A router that is used twice brings its routes once. */
function assertNew(app: AnyElysia, method: string, path: string, handler: unknown): void {
  const known = app.router.history[app["routeTree"][`${method}_${path}`] ?? -1];
  if (known === undefined || known.handler === handler) return;
  const declared = typeof known.handler === "function" ? places.get(known.handler)?.stack : undefined;
  const place = BUNDLE_FRAME.exec(declared ?? "")?.[0];
  const first = place === undefined ? "it is declared already" : `it is declared at ${place} already`;
  const what = method === "WS" ? "a WebSocket at" : method;
  throw new TypeError(`Cannot serve ${what} "${path}" twice: ${first}`);
}

/** As Elysia puts it together. */
function toWholePath({ config }: AnyElysia, path: string, options: unknown): string {
  const { skipPrefix = false } = (options ?? {}) as { skipPrefix?: boolean };
  const own = path === "" || path.startsWith("/") ? path : `/${path}`;
  return skipPrefix ? own : `${config.prefix ?? ""}${own}`;
}

/**
 * Elysia takes apps with one name and no seed for the same, and drops the hooks of the second, guards among them: all of
 * them of what an app uses itself, and the global ones of what that uses in turn.
 *
 * @throws TypeError for a second one with such hooks
 */
function assertOther(app: AnyElysia, used: AnyElysia): void {
  const { direct, reached } = usesOf(app);
  const own = toSharedName(used);
  if (own !== null) {
    assertSame(own, used, direct.get(own), () => true);
    direct.set(own, used);
  }
  const all = [...(own === null ? [] : [[own, used] as const]), ...usesOf(used).reached];
  for (const [name, one] of all) {
    assertSame(name, one, reached.get(name), (hook) => hook.scope === "global");
    if (!reached.has(name)) reached.set(name, one);
  }
}

function assertSame(
  name: string,
  used: AnyElysia,
  first: AnyElysia | undefined,
  isDropped: (hook: { readonly scope?: string }) => boolean,
): void {
  if (first === undefined || first === used) return;
  const hooks = Object.values(used.event).flat() as { readonly scope?: string }[];
  if (!hooks.some(isDropped)) return;
  const why = "Elysia would drop the hooks of the second";
  throw new TypeError(
    `Cannot use two Elysias named "${name}": ${why}; use one of them twice, name it otherwise, or give it a seed`,
  );
}

function toSharedName({ config: { name, seed } }: AnyElysia): string | null {
  return name === undefined || (seed !== undefined && seed !== "") ? null : name;
}

function usesOf(app: AnyElysia): Uses {
  const known = uses.get(app) ?? {
    direct: new Map<string, AnyElysia>(),
    reached: new Map<string, AnyElysia>(),
  };
  uses.set(app, known);
  return known;
}

/** Elysia hands a new app of its own to the callback. */
function watchNested(argument: unknown): unknown {
  if (typeof argument !== "function") return argument;
  const run = argument as (app: AnyElysia) => unknown;
  return (app: AnyElysia) => run(Object.setPrototypeOf(app, PluginElysia.prototype) as AnyElysia);
}

function assertApplied(options: unknown, where: string): void {
  if (typeof options !== "object" || options === null) return;
  for (const [wrong, right] of MISSPELT) {
    if ((options as Record<string, unknown>)[wrong] === undefined) continue;
    throw new TypeError(
      `Cannot guard ${where} with { ${wrong} }: there is no such guard, and the route would be open; did you mean { ${right} }?`,
    );
  }
  const ignored = [...GUARDS, "idempotent", "rateLimit"].find((name) => {
    const value = (options as Record<string, unknown>)[name];
    return value !== undefined && value !== false;
  });
  if (ignored === undefined) return;
  const effect = EFFECTS[ignored] ?? "the route would be open";
  throw new TypeError(
    `Cannot guard ${where} with { ${ignored} }: a plain \`new Elysia()\` ignores it, and ${effect}; write \`createRouter()\` instead, imported from "xcore"`,
  );
}
