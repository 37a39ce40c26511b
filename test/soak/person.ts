import type { Ledger, Outcome } from "./ledger.ts";
import type { Instance } from "./site.ts";

const GIVE_UP_MS = 45_000; // no answer may take longer: statements end after 30 s
const SESSION_MS = 10 * 60_000; // tokens last for 30 minutes
const RETRY_MS = 50;

export interface Answer {
  readonly outcome: Outcome;
  readonly status: number | null;
  // oxlint-disable-next-line typescript/no-explicit-any -- whoever asks knows what comes
  readonly json: any;
  readonly bytes: Uint8Array;
}

export interface AskOptions {
  /** Sent as JSON, or as a form. */
  readonly body?: object | FormData;
  /** Statuses that are as they should be. @default 200, 201 and 204 */
  readonly expected?: readonly number[];
  /** Another token than one's own; none where it is empty. */
  readonly token?: string;
}

export interface Credentials {
  readonly email: string;
  readonly password: string;
}

/** Lets clients in, or keeps them waiting between two requests. */
export class Gate {
  #closed: PromiseWithResolvers<void> | null = null;
  #drained: PromiseWithResolvers<void> | null = null;
  #inside = 0;

  /** Resolves once nobody is inside any more. */
  async close(): Promise<void> {
    this.#closed ??= Promise.withResolvers();
    if (this.#inside === 0) return;
    this.#drained = Promise.withResolvers();
    await this.#drained.promise;
  }

  open(): void {
    this.#closed?.resolve();
    this.#closed = null;
  }

  async pass<T>(work: () => Promise<T>): Promise<T> {
    while (this.#closed !== null) await this.#closed.promise;
    this.#inside += 1;
    try {
      return await work();
    } finally {
      this.#inside -= 1;
      if (this.#inside === 0) this.#drained?.resolve();
    }
  }
}

/** Somebody who asks one instance, and writes down what came of it. */
export class Person {
  readonly instance: Instance;
  readonly #ledger: Ledger;
  readonly #gate: Gate;
  readonly #credentials: Credentials;
  #session: { readonly token: string; readonly since: number } | null = null;

  constructor(
    parts: { readonly ledger: Ledger; readonly gate: Gate },
    instance: Instance,
    credentials: Credentials,
  ) {
    this.#ledger = parts.ledger;
    this.#gate = parts.gate;
    this.instance = instance;
    this.#credentials = credentials;
  }

  /** Logs in; returns null where that fails. */
  async logIn(): Promise<string | null> {
    const { outcome, json } = await this.ask("POST", "/auth/login", { body: this.#credentials, token: "" });
    return outcome === "acknowledged" ? json.access_token : null;
  }

  /** A token that is good for some time; tries until there is one. */
  async token(): Promise<string> {
    for (;;) {
      const session = this.#session;
      if (session !== null && performance.now() - session.since < SESSION_MS) return session.token;
      const token = await this.logIn();
      if (token === null) await Bun.sleep(RETRY_MS);
      else this.#session = { token, since: performance.now() };
    }
  }

  /** Asks once. Whatever isn't answered as expected is a failure, with the time that it took. */
  async ask(method: string, path: string, options: AskOptions = {}): Promise<Answer> {
    const token = options.token ?? (await this.token());
    const answer = await this.#gate.pass(() => this.#ask(method, path, token, options));
    if (answer.outcome !== "acknowledged") await Bun.sleep(RETRY_MS);
    return answer;
  }

  async #ask(method: string, path: string, token: string, options: AskOptions): Promise<Answer> {
    const { expected = [200, 201, 204] } = options;
    const from = performance.now();
    const kind = `${method} ${path.replace(/[?].*|\/[0-9a-f-]{36}$|\/\d+$/, "")}`;
    const { status, bytes } = await send(`${this.instance.url}${path}`, {
      method,
      token,
      body: options.body,
    });
    const to = performance.now();
    const json = parse(bytes);
    const code = String(json?.code ?? "");
    const outcome = toOutcome(status, code, expected);
    this.#ledger.count(kind, outcome, to - from);
    if (outcome !== "acknowledged") {
      const { number: instance } = this.instance;
      this.#ledger.failures.push({
        request: kind,
        instance,
        status,
        code,
        detail: String(json?.detail ?? ""),
        from,
        to,
      });
    }
    return { outcome, status, json, bytes };
  }
}

function toOutcome(status: number | null, code: string, expected: readonly number[]): Outcome {
  if (status === null || code === "outcome_unknown") return "unknown";
  return expected.includes(status) ? "acknowledged" : "refused";
}

async function send(
  url: string,
  { method, token, body }: { method: string; token: string; body: object | FormData | undefined },
): Promise<{ readonly status: number | null; readonly bytes: Uint8Array }> {
  const isJson = body !== undefined && !(body instanceof FormData);
  try {
    const response = await fetch(url, {
      method,
      headers: {
        ...(token !== "" && { authorization: `Bearer ${token}` }),
        ...(isJson && { "content-type": "application/json" }),
      },
      body: isJson ? JSON.stringify(body) : (body ?? null),
      signal: AbortSignal.timeout(GIVE_UP_MS),
    });
    return { status: response.status, bytes: await response.bytes() };
  } catch {
    return { status: null, bytes: new Uint8Array() };
  }
}

// oxlint-disable-next-line typescript/no-explicit-any
function parse(bytes: Uint8Array): any {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return null;
  }
}
