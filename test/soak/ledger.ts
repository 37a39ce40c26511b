import type { Failure } from "./windows.ts";

/** What became of a request, as far as its client was told. */
export type Outcome = "acknowledged" | "unknown" | "refused";

/** A row of one client, with the values that it may have by now; null where it may be gone. */
export interface Note {
  id: number | null;
  readonly possible: Set<number | null>;
  /** When it was made, as `performance.now()` says it; null where nobody was told that it was. */
  madeAt: number | null;
}

export interface Upload {
  readonly hash: string;
  /** null where its client doesn't know. */
  isThere: boolean | null;
}

/** Keeps what clients were told, to be compared with what is there. */
export class Ledger {
  readonly notes = new Map<string, Note>();
  readonly orders = new Map<string, Outcome>();
  readonly uploads = new Map<string, Upload>();
  /** Tokens of sessions that were ended. */
  readonly endedTokens: string[] = [];
  readonly failures: Failure[] = [];
  /** What was found to be wrong on the way. */
  readonly wrong: string[] = [];
  readonly counts = new Map<string, Record<Outcome, number>>();
  /** The longest answer, in ms. */
  slowestMs = 0;

  count(kind: string, outcome: Outcome, tookMs: number): void {
    const counts = this.counts.get(kind) ?? { acknowledged: 0, unknown: 0, refused: 0 };
    counts[outcome] += 1;
    this.counts.set(kind, counts);
    this.slowestMs = Math.max(this.slowestMs, tookMs);
  }

  /** The row of a key, of which nothing is known yet. */
  addNote(key: string): Note {
    const note: Note = { id: null, possible: new Set([null]), madeAt: null };
    this.notes.set(key, note);
    return note;
  }
}

/** Notes what a write has made of a row: `value`, if it was acknowledged; perhaps, if nobody knows. */
export function noteWrite(note: Note, value: number | null, outcome: Outcome): void {
  if (outcome === "refused") return;
  if (outcome === "acknowledged") note.possible.clear();
  note.possible.add(value);
}
