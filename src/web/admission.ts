import type { InternalRoute } from "elysia";
import { isWithBody } from "./body-limit.ts";
import type { Lock } from "./openapi/locks.ts";

/** Work that must be done before a request is handled; null when there is nothing to wait for. */
export type Preparation = (request: Request) => Promise<void> | null;

/** Follows requests that stay open; returns what ends that. `check` throws once a request wouldn't be let in any more. */
export type FollowAccess = (
  request: Request,
  follower: { readonly check: () => void; readonly end: () => void },
) => () => void;

/** Lets in requests by what is in their bodies. */
export interface BodyProof {
  /** Whether a request that is refused at the headers may be. */
  mayBeProven(request: Request): boolean;
  /** Lets a request in that was refused, if its body proves it. */
  prove(request: Request, body: unknown): void;
}

/** How the requests of a route are let in. */
export interface Admission {
  readonly prepare: Preparation;
  /** Counts a request, once it is prepared; throws for one that is too many. @default nothing is counted */
  readonly count?: (request: Request, route: string) => void;
  /** What the route allows each client of itself, rather than what the server does. @default nothing of its own */
  readonly limit?: { readonly max: number; readonly windowMs: number };
  /** What is refused at the headers may be let in by the body of the request. @default nothing is */
  readonly proof?: BodyProof;
  /** @default nobody is followed */
  readonly follow?: FollowAccess;
  /** What the API documentation says of it. @default nothing */
  readonly lock?: Lock;
}

/** Has `end` called once the route of an open request wouldn't let it in any more; returns what ends that. */
export type FollowRequest = (request: Request, end: () => void) => () => void;

/** What a check is told, and notes what it has found in. */
export interface CheckedContext {
  readonly request: Request;
  user?: unknown;
  /** Whether a handler is at work already, which can't be told any more that `user` is another one. @default false */
  readonly isAtWork?: boolean;
}

/** A check of requests that throws for those that it refuses, and notes in the context what it has found. */
export type RunCheck = (context: CheckedContext) => void;

/** What a route asks of its requests before anything of it runs. */
export interface Gate extends Admission {
  readonly run: RunCheck;
}

interface GateHook {
  readonly fn?: RunCheck & { readonly [GATE]?: Gate };
}

const GATE = Symbol("gate");

/**
 * Makes a hook of a route out of a synchronous check, and has the route's requests prepared: `prepareRoutes` sees to
 * it. A route without such a hook pays nothing for its neighbours.
 */
export function toPreparedHook<Hook extends (context: never) => void>(run: Hook, admission: Admission): Hook {
  const gate = { ...admission, run };
  // Said outright that it is synchronous: Elysia guesses from a function's text.
  return { fn: Object.assign(run, { [GATE]: gate }), isAsync: false } as unknown as Hook;
}

/** Lists what the hooks of a route ask of its requests. */
export function gatesOf({ hooks }: Pick<InternalRoute, "hooks">): Gate[] {
  const gates = [hooks?.transform ?? []].flat() as GateHook[];
  return gates.flatMap(({ fn }) => fn?.[GATE] ?? []);
}

/** Returns the gate that limits a route of its own: the strictest, for Elysia has guards around it now before, now after. */
export function limitingOf(gates: readonly Gate[]): Gate | null {
  const rateOf = ({ limit }: Gate): number => (limit === undefined ? Infinity : limit.max / limit.windowMs);
  const [strictest] = gates
    .filter(({ limit }) => limit !== undefined)
    .toSorted((a, b) => rateOf(a) - rateOf(b));
  return strictest ?? null;
}

/** Returns what counts the requests of a route, once each. */
export function counterOf(
  gates: readonly Gate[],
  { method, path }: InternalRoute,
): (request: Request) => void {
  const count = (limitingOf(gates) ?? gates.find((gate) => gate.count !== undefined))?.count;
  const route = `${method} ${path}`;
  return count === undefined ? () => {} : (request) => count(request, route);
}

/** Whether what was refused at the headers is still let in if the body, which is read and checked next, proves it. */
export function mayProveByBody(gates: readonly Gate[], request: Request): boolean {
  return isWithBody(request) && gates.some(({ proof }) => proof?.mayBeProven(request) === true);
}

/**
 * Makes the hooks of a route that check wait for the preparation: they run when the body has been read.
 *
 * @returns false when nothing is read before them: the handler reads the body itself, or nobody does
 */
export function checkAgain({ hooks }: Pick<InternalRoute, "hooks">): boolean {
  const parsers = [hooks?.parse ?? []].flat() as { readonly fn?: unknown }[];
  if (parsers.some(({ fn }) => fn === "none")) return false;
  const transform = [hooks?.transform ?? []].flat() as GateHook[];
  const checking = transform.map((hook) => {
    const { fn } = hook;
    const gate = fn?.[GATE];
    if (fn === undefined || gate === undefined) return hook;
    // Elysia reads what is looked at in this text: with the context as a whole, it would parse everything.
    const again = async (context: ParsedContext): Promise<void> => {
      context.user = await runAgain(gate, {
        request: context.request,
        user: context.user,
        body: context.body,
      });
    };
    return { ...hook, fn: Object.assign(again, copySymbols(fn)), isAsync: true };
  });
  Object.assign(hooks, { transform: checking });
  return true;
}

/** Prepares and checks a request once more, after it has been let in. */
export async function lookAgain(gates: readonly Gate[], { request, user }: CheckedContext): Promise<void> {
  await gates[0]?.prepare(request);
  for (const { run } of gates) run({ request, user, isAtWork: true });
}

type ParsedContext = CheckedContext & { readonly body?: unknown };

/** @returns who is known of the request by then */
async function runAgain(gate: Gate, context: ParsedContext): Promise<unknown> {
  const waiting = isWithBody(context.request) ? gate.prepare(context.request) : null;
  if (waiting !== null) await waiting;
  gate.proof?.prove(context.request, context.body);
  gate.run(context);
  return context.user;
}

/** Copies what other code has noted of a function, such as what a guard asks for. */
function copySymbols(fn: object): object {
  const symbols = Object.getOwnPropertySymbols(fn);
  return Object.fromEntries(symbols.map((symbol) => [symbol, Reflect.get(fn, symbol) as unknown]));
}
