import { toNotice } from "../changes/notices.ts";
import type { Row } from "../reading/expand.ts";
import type { Written } from "./events.ts";
import type { Work, WriterOptions } from "./writer.ts";

/** A row that was written. */
interface WrittenRow {
  readonly before: Row | null;
  readonly after: Row | null;
  /** What is left of one that was deleted, where such rows are kept. */
  readonly kept?: Row | null;
}

const VERBS = { created: "create", updated: "update", deleted: "delete", restored: "restore" } as const;

/** Notes in the history what was done to rows, and has others be told of them once they are committed. */
export async function noteWritten(
  options: WriterOptions,
  event: Written,
  { rows, work }: { readonly rows: readonly WrittenRow[]; readonly work: Work },
): Promise<void> {
  const { tx, access, as } = work;
  const { resource, asker } = access;
  if (resource.hasHistory) {
    const { writeEntry } = await import("../history/entries.ts");
    const actorId = asker.user?.id ?? null;
    const viewerId = asker.user?.viewer?.id ?? null;
    for (const { before, after, kept } of rows) {
      const entry = { before, after: kept ?? after, verb: as ?? VERBS[event], actorId, viewerId };
      // oxlint-disable-next-line no-await-in-loop -- one after another, in one transaction
      await writeEntry(tx, { history: options.history, resource }, entry);
    }
  }
  tellWritten(options, event, { rows, work });
}

/** Has others be told of rows once they are committed: of those whose resource keeps no history. */
export function tellWritten(
  options: WriterOptions,
  event: Written,
  note: { readonly rows: readonly WrittenRow[]; readonly work: Work },
): void {
  const { tx, isAlone } = note.work;
  options.driver.afterCommit(toTelling(options, event, note), isAlone === true ? undefined : tx);
}

/** The step of a workflow that a change is, as events tell it. */
export function toStep({ transition }: Pick<Work, "transition">): { readonly transition?: string } {
  return transition === undefined ? {} : { transition: transition.name };
}

/** Tells of rows. Apart, so that it holds no more of them until they are committed than somebody wants to know. */
function toTelling(
  { events, changes }: WriterOptions,
  event: Written,
  { rows, work }: { readonly rows: readonly WrittenRow[]; readonly work: Work },
): () => void {
  const { resource, asker } = work.access;
  const step = toStep(work);
  const told = events.isHeard(event, step.transition) ? rows : [];
  // One that is restored wasn't there to those who follow.
  const notices = rows.map(({ before, after }) =>
    toNotice(resource, event === "restored" ? null : before, after),
  );
  return () => {
    changes.note(resource, notices);
    for (const { before, after } of told) events.tell(event, { before, after, actor: asker.user, ...step });
  };
}
