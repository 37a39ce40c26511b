import { createHash, randomBytes } from "node:crypto";
import { type Ledger, noteWrite } from "./ledger.ts";
import { type Credentials, Gate, Person } from "./person.ts";
import { ADMIN, type Instance, type Site } from "./site.ts";

const PASSWORD = "another horse battery staple";
const PAUSE_MS = 25; // of each client, between two requests
const LOGIN_PAUSE_MS = 500;
const STREAM_MS = 5000;
const KEPT_UPLOADS = 30; // of each client
const UPLOAD_BYTES = 300_000;

/** Clients that log in, write, enqueue, upload, read and listen, half of them at each instance, until they are told to end. */
export class Load {
  readonly gate = new Gate();
  readonly admin: Person;
  readonly #ledger: Ledger;
  #clients: Promise<void>[] = [];
  #isOver = false;

  private constructor(site: Site, ledger: Ledger) {
    this.#ledger = ledger;
    this.admin = new Person({ ledger, gate: this.gate }, site.steady, ADMIN);
  }

  /** @param scale how many clients write at each instance; of the others there are as many in proportion */
  static async start(site: Site, ledger: Ledger, scale: number): Promise<Load> {
    const load = new Load(site, ledger);
    const role = await load.admin.ask("POST", "/admin/roles", {
      body: { name: "soaker", permissions: ["soak:read", "soak:write", "soak:delete"] },
    });
    const email = "soaker@example.com";
    await load.admin.ask("POST", "/admin/users", {
      body: { email, password: PASSWORD, roles: [role.json.id] },
    });
    load.#clients = site.instances.flatMap((instance) =>
      load.#startAt(instance, { email, password: PASSWORD }, scale),
    );
    return load;
  }

  /** Resolves when all clients have ended. */
  async stop(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#clients);
  }

  #startAt(instance: Instance, credentials: Credentials, scale: number): Promise<void>[] {
    const some = (share: number): Person[] =>
      Array.from(
        { length: Math.max(1, Math.round(scale * share)) },
        () => new Person({ ledger: this.#ledger, gate: this.gate }, instance, credentials),
      );
    return [
      ...some(1).map((person, index) =>
        this.#repeat((turn) => this.#write(person, `${instance.number}-${index}-${turn}`)),
      ),
      ...some(0.5).map((person, index) =>
        this.#repeat((turn) => this.#order(person, `${instance.number}-${index}-${turn}`)),
      ),
      ...some(0.25).map((person) => this.#upload(person)),
      ...some(0.5).map((person) => this.#repeat(() => this.#read(person))),
      ...some(0.25).map((person) => this.#repeat(() => this.#visit(person), LOGIN_PAUSE_MS)),
      ...some(0.25).map((person) => this.#repeat(() => this.#listen(person))),
    ];
  }

  async #repeat(work: (turn: number) => Promise<void>, pauseMs = PAUSE_MS): Promise<void> {
    for (let turn = 0; !this.#isOver; turn += 1) {
      await work(turn);
      await Bun.sleep(pauseMs);
    }
  }

  /** Makes a row, changes it, reads it, and deletes two of three. What may be made yet is left alone. */
  async #write(person: Person, key: string): Promise<void> {
    const note = this.#ledger.addNote(key);
    const made = await person.ask("POST", "/soak/notes", { body: { key, value: 1 } });
    noteWrite(note, 1, made.outcome);
    if (made.outcome !== "acknowledged") return;
    note.id = made.json.id;
    note.madeAt = performance.now();
    const changed = await person.ask("PATCH", `/soak/notes/${note.id}`, { body: { value: 2 } });
    noteWrite(note, 2, changed.outcome);
    const read = await person.ask("GET", `/soak/notes/${note.id}`);
    if (read.outcome === "acknowledged" && !note.possible.has(read.json.value))
      this.#ledger.wrong.push(
        `note ${key} was read as ${read.json.value} instead of ${[...note.possible].join(" or ")}`,
      );
    if (changed.outcome === "unknown" || Math.random() < 1 / 3) return;
    const { outcome } = await person.ask("DELETE", `/soak/notes/${note.id}`);
    noteWrite(note, null, outcome);
  }

  async #order(person: Person, key: string): Promise<void> {
    const { outcome } = await person.ask("POST", "/soak/orders", { body: { key } });
    this.#ledger.orders.set(key, outcome);
  }

  async #upload(person: Person): Promise<void> {
    const kept: string[] = [];
    await this.#repeat(async () => {
      const content = randomBytes(1 + Math.floor(Math.random() * UPLOAD_BYTES));
      const body = new FormData();
      body.append("file", new File([content], "upload.bin"));
      const { outcome, json } = await person.ask("POST", "/soak/files", { body });
      if (outcome !== "acknowledged") return;
      this.#ledger.uploads.set(json.id, { hash: toHash(content), isThere: true });
      kept.push(json.id);
      await this.checkUpload(person, kept[Math.floor(Math.random() * kept.length)] as string);
      if (kept.length > KEPT_UPLOADS) await this.#remove(person, kept.shift() as string);
    }, PAUSE_MS * 4);
  }

  /** Compares a file with what was uploaded. */
  async checkUpload(person: Person, id: string): Promise<void> {
    const upload = this.#ledger.uploads.get(id);
    const { outcome, bytes } = await person.ask("GET", `/soak/files/${id}`);
    if (outcome === "acknowledged" && upload?.hash !== toHash(bytes))
      this.#ledger.wrong.push(`upload ${id} was read as something else`);
  }

  async #remove(person: Person, id: string): Promise<void> {
    const { outcome } = await person.ask("DELETE", `/soak/files/${id}`);
    const upload = this.#ledger.uploads.get(id);
    if (upload !== undefined && outcome !== "refused") upload.isThere = outcome === "unknown" ? null : false;
  }

  async #read(person: Person): Promise<void> {
    await person.ask("GET", "/soak/notes?per_page=50&sort=-id");
    await person.ask("GET", "/soak/count");
    await person.ask("GET", "/auth/me");
  }

  /** Logs in and out; the session counts no more then. */
  async #visit(person: Person): Promise<void> {
    const token = await person.logIn();
    if (token === null) return;
    await person.ask("GET", "/auth/me", { token });
    const { outcome } = await person.ask("POST", "/auth/logout", { token });
    if (outcome === "acknowledged") this.#ledger.endedTokens.push(token);
  }

  /** Listens to a stream for a while, and goes away without a word. */
  async #listen(person: Person): Promise<void> {
    const authorization = `Bearer ${await person.token()}`;
    const signal = AbortSignal.timeout(STREAM_MS);
    try {
      const response = await fetch(`${person.instance.url}/soak/events`, {
        headers: { authorization },
        signal,
      });
      for await (const chunk of response.body ?? []) if (chunk.length === 0) return;
    } catch {
      // It has gone away, or the stream has ended.
    }
  }
}

export function toHash(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
