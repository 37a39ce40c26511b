/** What a request is answered with that fails (RFC 9457). */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly instance: string;
  /** Such as "validation_error": docs/errors.md lists them. */
  readonly code: string;
  readonly request_id: string;
  readonly errors?: readonly { readonly path: string; readonly code: string; readonly message: string }[];
  readonly [member: string]: unknown;
}

/** A request that failed: what the server says of it. */
export class XcoreError extends Error {
  readonly status: number;
  readonly code: string;
  readonly problem: Problem;
  readonly headers: Headers;

  constructor(problem: Problem, headers: Headers) {
    super(problem.detail);
    this.name = "XcoreError";
    this.status = problem.status;
    this.code = problem.code;
    this.problem = problem;
    this.headers = headers;
  }
}

export interface ClientOptions {
  /** Where the server is: `https://erp.example.com`. @default where the page comes from */
  readonly baseUrl?: string;
  /** An access token, or what gives one for each request. */
  readonly token?: string | (() => string | null | Promise<string | null>);
  readonly apiKey?: string;
  /** Sent with each request. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Whether cookies are sent. */
  readonly credentials?: RequestCredentials;
  /** What sends requests. @default fetch */
  readonly fetch?: (url: string, init: RequestInit) => Promise<Response>;
}

export interface RequestOptions {
  readonly signal?: AbortSignal;
  readonly headers?: Readonly<Record<string, string>>;
  /** The ETag of the row that is changed: 412 once it is another one. */
  readonly ifMatch?: string;
  /** Makes a retry safe: a new UUID for each request that isn't one. */
  readonly idempotencyKey?: string;
  /** Is given the answer, for its status and headers such as ETag. */
  readonly onResponse?: (response: Response) => void;
}

/** How an answer is read: "any" by its content type. */
type AnswerKind = "json" | "text" | "none" | "response" | "any";

interface CallParts {
  readonly params?: readonly (string | number)[];
  readonly query?: object | undefined;
  readonly body?: unknown;
  readonly bodyType?: string;
  readonly options?: RequestOptions | undefined;
}

type Call = <Answer>(method: string, path: string, answer: AnswerKind, parts: CallParts) => Promise<Answer>;

/** Creates what makes the requests of a client. */
export function createCall(options: ClientOptions): Call {
  const send = options.fetch ?? ((url: string, init: RequestInit) => fetch(url, init));
  return async <Answer>(method: string, path: string, answer: AnswerKind, parts: CallParts) => {
    const url =
      (options.baseUrl ?? "").replace(/\/+$/, "") + toPath(path, parts.params ?? []) + toQuery(parts.query);
    const headers = await toHeaders(options, parts);
    const init: RequestInit = { method, headers };
    if (parts.body !== undefined) init.body = toBody(parts.body, parts.bodyType, headers);
    if (parts.options?.signal !== undefined) init.signal = parts.options.signal;
    if (options.credentials !== undefined) init.credentials = options.credentials;
    const response = await send(url, init);
    parts.options?.onResponse?.(response);
    if (!response.ok) throw new XcoreError(await readProblem(response), response.headers);
    return (await readAnswer(response, answer)) as Answer;
  };
}

function toPath(path: string, params: readonly (string | number)[]): string {
  let at = 0;
  return path.replace(/\{[^}]*\}/g, () => {
    const value = String(params[at++]);
    // The last two would lead to another path, however they are escaped.
    if (value === "" || value === "." || value === "..")
      throw new TypeError(`Cannot ask for ${path} with "${value}"`);
    return encodeURIComponent(value);
  });
}

function toQuery(query: object = {}): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== undefined && one !== null) parameters.append(name, toText(one));
    }
  }
  const text = parameters.toString();
  return text === "" ? "" : `?${text}`;
}

function toText(value: unknown): string {
  if (value instanceof Date) return value.toISOString();
  return typeof value === "string" ? value : JSON.stringify(value);
}

async function toHeaders(
  { token, apiKey, headers: ofClient = {} }: ClientOptions,
  { options = {} }: CallParts,
): Promise<Record<string, string>> {
  const headers: Record<string, string> = { accept: "application/json, */*", ...ofClient };
  const given = typeof token === "function" ? await token() : token;
  if (given !== undefined && given !== null) headers["authorization"] = `Bearer ${given}`;
  if (apiKey !== undefined) headers["x-api-key"] = apiKey;
  if (options.ifMatch !== undefined) headers["if-match"] = options.ifMatch;
  if (options.idempotencyKey !== undefined) headers["idempotency-key"] = options.idempotencyKey;
  return { ...headers, ...options.headers };
}

/** Files, forms and the like are sent as they are; anything else as JSON. */
function toBody(body: unknown, type: string | undefined, headers: Record<string, string>): BodyInit {
  const isRaw =
    typeof body === "object" &&
    (body instanceof Blob ||
      body instanceof FormData ||
      body instanceof URLSearchParams ||
      body instanceof ArrayBuffer ||
      body instanceof ReadableStream);
  const hasType = Object.keys(headers).some((name) => name.toLowerCase() === "content-type");
  if (!isRaw && (type === undefined || type === "application/json")) {
    if (!hasType) headers["content-type"] = "application/json";
    return JSON.stringify(body);
  }
  // The browser names the boundary of a form, and the type of a file.
  const isNamed =
    body instanceof FormData || body instanceof URLSearchParams || (body instanceof Blob && body.type !== "");
  if (!isNamed && !hasType && type !== undefined) headers["content-type"] = type;
  return body as BodyInit;
}

async function readProblem(response: Response): Promise<Problem> {
  const text = await response.text().catch(() => "");
  const { status, statusText } = response;
  const unknown = {
    type: "about:blank",
    title: statusText,
    status,
    detail: text.slice(0, 200) || statusText,
  };
  const whole = {
    ...unknown,
    instance: "",
    code: "unknown",
    request_id: response.headers.get("x-request-id") ?? "",
  };
  try {
    const problem: unknown = JSON.parse(text);
    return typeof problem === "object" ? { ...whole, ...problem } : whole;
  } catch {
    return whole;
  }
}

async function readAnswer(response: Response, kind: AnswerKind): Promise<unknown> {
  if (kind === "response") return response;
  if (kind === "none" || response.status === 204) {
    await response.body?.cancel();
    return undefined;
  }
  if (kind === "json") return response.json();
  if (kind === "text") return response.text();
  const type = response.headers.get("content-type") ?? "";
  if (/[/+]json\b/.test(type)) return response.json();
  return /^text\/(?!event-stream)/.test(type) ? response.text() : response;
}

type First<Path extends string> = Path extends `${infer Name}.${string}` ? Name : Path;
type Behind<Path extends string, Name extends string> = Path extends `${Name}.${infer Rest}` ? Rest : never;

/** A row that has the relations which were asked for: "company", "company.parent". */
export type Expanded<Row, Path extends string> = [Path] extends [never]
  ? Row
  : Row extends readonly (infer Item)[]
    ? Expanded<Item, Path>[]
    : Row extends object
      ? Omit<Row, First<Path>> & {
          [Name in First<Path> & keyof Row]-?: Expanded<Exclude<Row[Name], undefined>, Behind<Path, Name>>;
        }
      : Row;

/** A page of such rows. */
export type ExpandedPage<Answer extends { readonly items: readonly unknown[] }, Path extends string> = Omit<
  Answer,
  "items"
> & { items: Expanded<Answer["items"][number], Path>[] };

/** Names of relations as one parameter has them. */
export function joinExpand(query: { readonly expand?: string | readonly string[] | undefined }): object {
  const { expand } = query;
  return typeof expand === "object" ? { ...query, expand: expand.join(",") } : query;
}

/** A page of a list. */
export interface Page<Item> {
  readonly items: readonly Item[];
  readonly page: number;
  readonly per_page: number;
  readonly total?: number | null;
  readonly next?: string;
}

/**
 * All items of a list, page after page.
 *
 * @example for await (const job of eachItem(client.system.getJobs, { state: "dead" })) console.log(job.id);
 */
export async function* eachItem<Query extends object, Item>(
  list: (query: Query) => Promise<Page<Item>>,
  query: NoInfer<Query>,
): AsyncGenerator<Item, void> {
  let asked: Query = query;
  for (;;) {
    const { items, page, per_page: perPage, total, next } = await list(asked);
    yield* items;
    if (next !== undefined) asked = { ...query, page: undefined, after: next };
    else if ("after" in asked || typeof total !== "number" || page * perPage >= total) return;
    else asked = { ...query, page: page + 1 };
  }
}
