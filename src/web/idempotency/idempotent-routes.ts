import type { TransactionOwner } from "../../db/transactions/owner.ts";

/** What a route that can be sent again asks of its requests. */
export interface IdempotentOptions {
  /** Whether a request without a key is refused. @default false */
  readonly required?: boolean;
  /**
   * What the transaction of a request sees of those beside it: as much as any that its handler asks for.
   *
   * @default "read committed"
   */
  readonly isolation?: "read committed" | "repeatable read" | "serializable";
  /**
   * Whether what the handler writes is one transaction, with its answer. Without it a handler may take its time, and
   * what can't be told is done again: after a crash, or at the same time in another process.
   *
   * @default true
   */
  readonly transaction?: boolean;
}

export interface KeepOptions extends IdempotentOptions {
  /** Whose transactions they are; null for the core's own. @default null */
  readonly owner?: TransactionOwner | null;
}

/** Answers a request with a key: as it was answered before, or by `run`, whose writes are kept together with its answer. */
export type KeepAnswer = (
  request: Request,
  run: () => Promise<unknown>,
  options: KeepOptions,
) => Promise<Response>;

/** How a route keeps its answers. */
export interface Keeping {
  readonly keep: KeepAnswer;
  readonly options: IdempotentOptions;
}

interface KeepingRoute {
  readonly method: string;
  readonly hooks?: { readonly transform?: unknown } | undefined;
}

interface KeepingHook {
  readonly fn?: { readonly [KEEPING]?: Keeping };
}

const KEEPING = Symbol("keeping");
export const KEY_HEADER = "idempotency-key";

/** Makes the option of a route that has its answers kept; `prepareRoutes` sees to it. */
export function toKeepingHook(keeping: Keeping): object {
  // Said outright that it is synchronous: Elysia guesses from a function's text.
  return { transform: { fn: Object.assign(() => {}, { [KEEPING]: keeping }), isAsync: false } };
}

type Handler = (context: { request: Request }) => unknown;

/** Has a request with a key answered as it was before, where its route can be sent again. */
export function toKept(
  route: KeepingRoute,
  handle: Handler,
  {
    refuse,
    owner,
  }: {
    readonly refuse: (context: { request: Request }, error: unknown) => unknown;
    readonly owner: TransactionOwner | null;
  },
): Handler {
  const keeping = keepingOf(route);
  if (keeping === null) return handle;
  const { keep, options } = keeping;
  const isRequired = options.required === true;
  const handleKept = async (context: Parameters<Handler>[0]): Promise<unknown> => {
    try {
      return await keep(context.request, async () => handle(context), { ...options, owner });
    } catch (error) {
      return refuse(context, error);
    }
  };
  // Not async itself: those without a key would pay for a promise more.
  return (context) =>
    isRequired || context.request.headers.has(KEY_HEADER) ? handleKept(context) : handle(context);
}

/** Returns how a route keeps its answers; null for one that doesn't. What only reads needs no key. */
export function keepingOf({ method, hooks }: KeepingRoute): Keeping | null {
  if (method === "GET" || method === "HEAD" || method === "WS") return null;
  const transform = [hooks?.transform ?? []].flat() as KeepingHook[];
  // Its own comes behind those of the guards around it.
  return transform.findLast(({ fn }) => fn?.[KEEPING] !== undefined)?.fn?.[KEEPING] ?? null;
}
