import { setImmediate } from "node:timers/promises";
import { Value } from "@sinclair/typebox/value";
import { t } from "elysia";
import type { WaitingJob } from "../contract/records.ts";
import { splitName } from "../definition/options.ts";
import { describeProblems, readPayload } from "../definition/payloads.ts";
import { readPortableSchema, type ReadSchema } from "../definition/portable-schemas.ts";

/** A job that a version of a plugin says that it defines, and what its payload must be; null where that isn't told. */
export interface DeclaredJob {
  /** Without the plugin's. */
  readonly name: string;
  /** JSON Schema of a stranger. */
  readonly payload?: unknown;
}

/** How the jobs of a plugin that wait fit a version of it. */
export const WaitingFit = t.Object({
  checked: t.Integer({ description: "How many jobs that wait were looked at" }),
  complete: t.Boolean({ description: "Whether these are all that wait" }),
  jobs: t.Array(
    t.Object({
      name: t.String({ description: "Such as blog:notify" }),
      waiting: t.Integer(),
      unfit: t.Integer({ description: "How many will be set aside as incompatible" }),
      unchecked: t.Integer({ description: "Of how many that is known only once the version runs" }),
      declared: t.Nullable(
        t.Boolean({
          description:
            "Whether the version defines it at its top level; null where it doesn't say what it defines",
        }),
      ),
      examples: t.Array(t.Object({ id: t.String(), reason: t.String() }), {
        description: "The first of those that don't fit",
      }),
    }),
  ),
});
export type WaitingFit = typeof WaitingFit.static;
type Row = WaitingFit["jobs"][number];

export interface CompareOptions {
  /** Jobs that wait, in pieces. */
  readonly waiting: AsyncIterable<readonly WaitingJob[]>;
  /** What the version says; null when it says nothing of its jobs. */
  readonly declared: readonly DeclaredJob[] | null;
}

/** How many jobs are looked at. */
export const MAX_COMPARED = 10_000;
const MAX_MS = 10_000;
/** Characters of a payload, times those of its schema: with the worst of schemas, half a second. */
const MAX_WORK = 30_000_000;
const MAX_EXAMPLES = 3; // of a name
const MAX_REASON = 300; // characters
const TURN_MS = 10; // then others have theirs

/**
 * Tells how jobs that wait fit what a version says of them, whose code isn't run. The server goes on meanwhile, and what a
 * stranger's schemas cost it is bounded.
 */
export async function compareWaiting({ waiting, declared }: CompareOptions): Promise<WaitingFit> {
  const known = declared && new Map(declared.map(({ name, payload }) => [name, payload]));
  const kinds = new Map<string, Kind>();
  const startedAt = performance.now();
  let turnAt = startedAt;
  let checked = 0;
  let isComplete = true;
  look: for await (const piece of waiting) {
    for (const job of piece) {
      if (checked === MAX_COMPARED || performance.now() - startedAt > MAX_MS) {
        isComplete = false;
        break look;
      }
      let kind = kinds.get(job.name);
      if (kind === undefined) kinds.set(job.name, (kind = new Kind(job.name, known)));
      kind.add(job);
      checked += 1;
      if (performance.now() - turnAt < TURN_MS) continue;
      await setImmediate();
      turnAt = performance.now();
    }
  }
  return { checked, complete: isComplete, jobs: Array.from(kinds.values(), ({ row }) => row) };
}

/** The jobs of one name. */
class Kind {
  readonly row: Row;
  readonly #read: ReadSchema | null;

  constructor(name: string, known: ReadonlyMap<string, unknown> | null) {
    const { name: own } = splitName(name);
    const declared = known && known.has(own);
    this.row = { name, waiting: 0, unfit: 0, unchecked: 0, declared, examples: [] };
    this.#read = known === null ? null : readPortableSchema(known.get(own) ?? null);
  }

  add({ id, payload }: WaitingJob): void {
    const { row } = this;
    row.waiting += 1;
    if (row.declared === false) return;
    const read = this.#read;
    if (read === null || payload.length * read.size > MAX_WORK) {
      row.unchecked += 1;
      return;
    }
    try {
      if (fits(read, payload)) return;
      row.unfit += 1;
      if (row.examples.length < MAX_EXAMPLES) row.examples.push({ id, reason: toReason(read, payload) });
    } catch {
      row.unchecked += 1; // such as what is nested too deep
    }
  }
}

function fits({ schema }: ReadSchema, payload: string): boolean {
  return Value.Check(schema, Value.Default(schema, JSON.parse(payload)));
}

function toReason({ schema }: ReadSchema, payload: string): string {
  const read = readPayload({ schema }, payload);
  const reason = "problems" in read ? describeProblems(read.problems) : "";
  return reason.length > MAX_REASON ? `${reason.slice(0, MAX_REASON - 1).toWellFormed()}…` : reason;
}
