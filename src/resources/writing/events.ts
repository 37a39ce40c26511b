import type { User } from "../../accounts/identity/principal.ts";
import { fail } from "../../errors/codes.ts";
import { AppError } from "../../errors/errors.ts";
import { outside } from "../../db/transactions/ambient.ts";
import type { HookBus } from "../../hooks/bus.ts";
import type { Resource } from "../definition/definition.ts";
import type { Row } from "../reading/expand.ts";

/** What is told of a write before it: a handler may change `values`, or refuse it. */
export interface RowWriting<Of = Row> {
  /** Null for a new row. */
  readonly before: Of | null;
  /** What is to be written; of a deletion and of its undoing, nothing. */
  readonly values: Partial<Of>;
  /** The step of a workflow that the change is, such as "win". */
  readonly transition?: string;
  /** Null for nobody known. */
  readonly actor: User | null;
}

/** What is told of a row that was made, once it is committed. */
export interface RowCreated<Of = Row> {
  readonly before: null;
  readonly after: Of;
  readonly actor: User | null;
}

/** What is told of a row that was changed, once it is committed. */
export interface RowUpdated<Of = Row> {
  readonly before: Of;
  readonly after: Of;
  /** The step of a workflow that the change was, such as "win": its own event, `crm.deal.win`, tells the same. */
  readonly transition?: string;
  readonly actor: User | null;
}

/** What is told of a row that was deleted, once it is committed. */
export interface RowDeleted<Of = Row> {
  readonly before: Of;
  readonly after: null;
  readonly actor: User | null;
}

/** What is told of a write once it is committed. */
export interface RowWritten {
  readonly before: Row | null;
  readonly after: Row | null;
  readonly transition?: string;
  readonly actor: User | null;
}

export type Writing = "creating" | "updating" | "deleting" | "restoring";
export type Written = "created" | "updated" | "deleted" | "restored";

/** Tells others of the writes of a resource's rows. */
export class RowEvents {
  readonly #hooks: HookBus;
  readonly #plugin: string;
  readonly #prefix: string;
  /** The whole names of events: a new one would be hashed each time. */
  readonly #names = new Map<string, string>();

  constructor(hooks: HookBus, { plugin, singular }: Pick<Resource, "plugin" | "singular">) {
    this.#hooks = hooks;
    this.#plugin = plugin;
    this.#prefix = `${plugin}.${singular}.`;
  }

  /**
   * Asks those who listen whether a row may be written so.
   *
   * @throws AppError of a handler, or validation_error with the reason of one that cancels it
   * @throws whatever a handler throws: what it would have said of the write isn't known
   */
  async ask(event: Writing, data: RowWriting): Promise<void> {
    const name = this.#nameOf(event);
    const results = await this.#hooks.emit(name, data, { source: this.#plugin });
    if (results.cancelled) {
      const message = results.cancel_reason ?? "It was refused";
      throw fail("validation_error", message, { errors: [{ path: "/body", code: "refused", message }] });
    }
    const failed = results.find(({ status }) => status === "threw" || status === "timed_out");
    if (failed === undefined) return;
    if (failed.error instanceof AppError) throw failed.error;
    throw new Error(`A handler of "${name}" has failed: the row isn't written`, { cause: failed.error });
  }

  /** Whether anybody listens. */
  isHeard(event: Writing | Written, transition?: string): boolean {
    const isHeard = (name: string): boolean => this.#hooks.isHeard(this.#nameOf(name));
    return isHeard(event) || (transition !== undefined && isHeard(transition));
  }

  /** Tells those who listen that a row has been written. */
  tell(event: Written, data: RowWritten): void {
    const { transition } = data;
    this.#emit(event, data);
    if (transition !== undefined) this.#emit(transition, data);
  }

  #emit(event: string, data: RowWritten): void {
    const name = this.#nameOf(event);
    if (!this.#hooks.isHeard(name)) return;
    // The transaction has ended: what handlers write isn't part of it.
    outside(() => void this.#hooks.emit(name, data, { source: this.#plugin }));
  }

  #nameOf(event: string): string {
    const known = this.#names.get(event);
    if (known !== undefined) return known;
    const name = `${this.#prefix}${event}`;
    this.#names.set(event, name);
    return name;
  }
}
