import type { Credentials, ThreeInstances } from "./three-instances.ts";

/** A request that wasn't answered as it should have been. */
export interface Failure {
  readonly request: string;
  readonly why: string;
  /** When it was begun and when it failed, as `performance.now()` says. */
  readonly startedAt: number;
  readonly endedAt: number;
}

interface Order {
  readonly id: number;
  readonly job: string;
}

const WHY = 200; // characters

/**
 * Clients that log in by nginx and ask one request after another until they are told to end: reads, writes that enqueue a
 * job, the same with a key, which are sent again where no answer came, and logins.
 */
export class Load {
  answers = 0;
  /** How long the slowest answer took that has come since it was last set to 0, in ms. */
  longestMs = 0;
  readonly failures: Failure[] = [];
  /** Jobs of the orders that were acknowledged, by id. */
  readonly jobs = new Set<string>();
  /** Keys, and the orders that their requests were answered with. */
  readonly keyed = new Map<string, number>();
  readonly #cluster: ThreeInstances;
  #clients: Promise<void>[] = [];
  #waiting: { until: number; resolve: () => void }[] = [];
  #isOver = false;

  private constructor(cluster: ThreeInstances) {
    this.#cluster = cluster;
  }

  static async start(cluster: ThreeInstances, clients = 12): Promise<Load> {
    const load = new Load(cluster);
    const emails = await Promise.all(Array.from({ length: clients }, () => cluster.createAccount()));
    load.#clients = emails.map((email, index) => load.#run(email, index));
    await load.goOn();
    return load;
  }

  /** Resolves once so many more requests have been answered. */
  goOn(count = 300): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.push({ until: this.answers + count, resolve });
    return promise;
  }

  /** Resolves when all clients have ended. */
  async stop(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#clients);
  }

  async #run(email: string, index: number): Promise<void> {
    let credentials = await this.#logIn(email);
    while (!this.#isOver) {
      /* oxlint-disable no-await-in-loop -- one request after another */
      await this.#ask("GET /shop/", credentials);
      await this.#order(credentials);
      await this.#ask("GET /auth/me", credentials);
      await this.#orderByKey(credentials);
      await this.#ask("GET /shop/count", credentials);
      if (index === 0) credentials = await this.#logIn(email);
      /* oxlint-enable no-await-in-loop */
    }
  }

  async #logIn(email: string): Promise<Credentials> {
    const startedAt = performance.now();
    for (;;) {
      // oxlint-disable-next-line no-await-in-loop -- what nobody answered, one would try again
      const found = await this.#note("POST /auth/login", startedAt, () => this.#cluster.logIn(email));
      if (found !== null)
        return { authorization: `Bearer ${(found as { access_token: string }).access_token}` };
      if (this.#isOver) return { authorization: "" };
    }
  }

  async #ask(request: string, headers: Credentials): Promise<void> {
    const [method = "", path = ""] = request.split(" ");
    await this.#note(request, performance.now(), () => this.#cluster.fetch(path, { method, headers }));
  }

  async #order(credentials: Credentials): Promise<void> {
    const startedAt = performance.now();
    const order = await this.#note("POST /shop/orders", startedAt, () =>
      this.#post("/shop/orders", { ...credentials, "content-type": "application/json" }),
    );
    if (order !== null) this.jobs.add((order as Order).job);
  }

  /** As docs/routes.md says: a new key for each, with which it is sent until it is answered. */
  async #orderByKey(credentials: Credentials): Promise<void> {
    const key = crypto.randomUUID();
    const startedAt = performance.now();
    const headers = { ...credentials, "content-type": "application/json", "idempotency-key": key };
    const order = await this.#note("POST /shop/orders/keyed", startedAt, async () => {
      for (;;) {
        // oxlint-disable-next-line no-await-in-loop
        const response = await this.#post("/shop/orders/keyed", headers, key);
        if (![409, 502, 503, 504].includes(response.status)) return response;
      }
    });
    if (order === null) return;
    this.jobs.add((order as Order).job);
    this.keyed.set(key, (order as Order).id);
  }

  #post(path: string, headers: Record<string, string>, note = "load"): Promise<Response> {
    return this.#cluster.fetch(path, { method: "POST", headers, body: JSON.stringify({ note }) });
  }

  /** The JSON that a request was answered with; null where it failed. */
  async #note(request: string, startedAt: number, ask: () => Promise<Response>): Promise<unknown> {
    try {
      const response = await ask();
      const text = await response.text();
      if (!response.ok) throw new Error(`${response.status} ${text.slice(0, WHY)}`);
      this.longestMs = Math.max(this.longestMs, performance.now() - startedAt);
      this.#count();
      return JSON.parse(text) as unknown;
    } catch (error) {
      this.failures.push({
        request,
        why: error instanceof Error ? error.message : String(error),
        startedAt,
        endedAt: performance.now(),
      });
      return null;
    }
  }

  #count(): void {
    this.answers += 1;
    const ready = this.#waiting.filter(({ until }) => until <= this.answers);
    this.#waiting = this.#waiting.filter((one) => !ready.includes(one));
    for (const { resolve } of ready) resolve();
  }
}
