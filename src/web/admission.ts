import type { Lock } from "./openapi/locks.ts";

/** Work that must be done before a request is handled; null when there is nothing to wait for. */
export type Preparation = (request: Request) => Promise<void> | null;

/** Follows requests that stay open; returns what ends that. `check` throws once a request wouldn't be let in any more. */
export type FollowAccess = (
  request: Request,
  follower: { readonly check: () => void; readonly end: () => void },
) => () => void;

/** How the requests of a route are let in. */
export interface Admission {
  readonly prepare: Preparation;
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
