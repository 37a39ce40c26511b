import { type Static, Type } from "@sinclair/typebox";
import type { Guard } from "../../accounts/identity/guards.ts";
import { toPrintable } from "../../errors/printable.ts";
import { EVENT_PATTERN, toNameTest } from "../../hooks/names.ts";

/** How many events, permissions or tables a surface may declare. */
export const MAX_NAMES = 1000;

const METHOD = "^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,32}$"; // RFC 9110, 9.1
const PERMISSION = "^[a-z][a-z0-9_]*:[a-z][a-z0-9_]*$";
/** A guard may ask for everything too. */
const ASKED_PERMISSION = "^(\\*|[a-z][a-z0-9_]*:[a-z][a-z0-9_]*)$";
const JOB = "^[A-Za-z][A-Za-z0-9_.-]{0,63}$";
const STRICT = { additionalProperties: false };

const GuardSchema = Type.Union(
  [
    Type.Object({ auth: Type.Literal(true) }, STRICT),
    Type.Object({ optional_auth: Type.Literal(true) }, STRICT),
    Type.Object({ permission: Type.String({ pattern: ASKED_PERMISSION, maxLength: 128 }) }, STRICT),
    Type.Object({ role: Type.String({ minLength: 1, maxLength: 128 }) }, STRICT),
  ],
  { title: 'a guard such as { "auth": true }, { "permission": "invoices:read" } or { "role": "admin" }' },
);

const RouteSchema = Type.Object(
  {
    method: Type.String({ pattern: METHOD, title: 'a method such as "GET", "ALL" or "WS"' }),
    path: Type.String({ maxLength: 500, title: "a path of at most 500 characters" }),
    guards: Type.Array(GuardSchema, { maxItems: 16, title: "an array of at most 16 guards" }),
  },
  { ...STRICT, title: 'a route such as { "method": "GET", "path": "/invoices/", "guards": [] }' },
);

const JobSchema = Type.Object(
  {
    name: Type.String({ pattern: JOB, title: "a name of at most 64 characters" }),
    // Whoever checks payloads by it reads it as a stranger's.
    payload: Type.Optional(Type.Unknown()),
  },
  {
    ...STRICT,
    title: 'a job such as { "name": "remind", "payload": { "type": "object", "properties": {} } }',
  },
);

/** Schema of what a packed plugin declares that it registers. Every key but `jobs` is part of what it is held to. */
export const SurfaceSchema = Type.Object(
  {
    routes: Type.Array(RouteSchema, { maxItems: 2000, title: "an array of at most 2000 routes" }),
    hooks: namesOf(EVENT_PATTERN.source, 200, "events"),
    permissions: namesOf(PERMISSION, 128, "permissions"),
    tables: namesOf("^[a-z][a-z0-9_]*$", 63, "tables"),
    jobs: Type.Optional(
      Type.Array(JobSchema, { maxItems: MAX_NAMES, title: `an array of at most ${MAX_NAMES} jobs` }),
    ),
  },
  { ...STRICT, description: "What it serves, listens to and keeps: `xcore plugin pack` writes it" },
);

/** A route, with what its guards ask for: all of them must let a request through. */
export interface RouteSurface {
  /** "GET"; "ALL" for every method, "WS" for a WebSocket. */
  readonly method: string;
  /** Whole, as a client asks for it: "/invoices/:id", "/invoices/static/*". */
  readonly path: string;
  readonly guards: readonly Guard[];
}

/** A kind of jobs that a plugin defines at its top level. */
export interface JobSurface {
  readonly name: string;
  /** JSON Schema of its payload, `{}` for any JSON; null when it can't be told so. */
  readonly payload?: unknown;
}

/** What a plugin registers with xcore. */
export interface Surface {
  /** In order of path and method. */
  readonly routes: readonly RouteSurface[];
  /** Names of the events that it listens to. */
  readonly hooks: readonly string[];
  /** Permissions that its guards ask for, by name. */
  readonly permissions: readonly string[];
  /** Names of its tables. */
  readonly tables: readonly string[];
  /** By name; undefined where nothing is said of them. */
  readonly jobs?: readonly JobSurface[] | undefined;
}

/** What the words for the guards of a route begin with that lets everybody in. */
export const OPEN = "OPEN";

/** Whether a route lets everybody in. */
export function isOpen({ guards }: RouteSurface): boolean {
  return guards.every((guard) => "optional_auth" in guard);
}

/** Puts the guards of a route in words: "auth", "permission invoices:read + role admin", "OPEN". */
export function showGuards(route: RouteSurface): string {
  const asked = route.guards.map((guard) => {
    if ("permission" in guard) return `permission ${guard.permission}`;
    if ("role" in guard) return `role ${guard.role}`;
    return "auth" in guard ? "auth" : "optional auth";
  });
  if (!isOpen(route)) return asked.join(" + ");
  return asked.length === 0 ? OPEN : `${OPEN} (${asked.join(" + ")})`;
}

/** Whether a surface declares an event: by its name, or by a pattern that takes it. */
export function declaresHook({ hooks }: Surface, event: string): boolean {
  return hooks.some((declared) => declared === event || toNameTest(declared)(event));
}

/** Finds what the schema of a declared surface can't say, for a plugin that is served below `prefix`. */
export function findSurfaceProblem(
  { routes, jobs = [] }: Static<typeof SurfaceSchema>,
  prefix: string,
): string | null {
  const names = jobs.map(({ name }) => name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) return `"surface.jobs" must name each job once, found "${twice}" twice`;
  const known = new Set<string>();
  for (const [index, { method, path, guards }] of routes.entries()) {
    const where = `"surface.routes[${index}]"`;
    if (path !== prefix && !path.startsWith(`${prefix}/`)) {
      return `${where} must have a path below ${JSON.stringify(prefix)}, found ${JSON.stringify(path)}`;
    }
    const texts = [path, ...guards.flatMap((guard) => ("role" in guard ? guard.role : []))];
    if (texts.some((text) => toPrintable(text) !== text || /\s/.test(text))) {
      return `${where} must be printable and without blanks, found ${JSON.stringify(path)}`;
    }
    const key = `${method} ${path}`;
    if (known.has(key)) return `${where} must stand once, found ${JSON.stringify(key)} twice`;
    known.add(key);
  }
  return null;
}

function namesOf(pattern: string, maxLength: number, noun: string) {
  const title = `a name of at most ${maxLength} characters`;
  const name = Type.String({ pattern, maxLength, title });
  return Type.Array(name, {
    maxItems: MAX_NAMES,
    title: `an array of at most ${MAX_NAMES} names of ${noun}`,
  });
}
