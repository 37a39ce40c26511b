import type { Transaction } from "../../db/contract/database.ts";
import type { CoreDeclaration } from "../../db/schema/schema.ts";
import type { Storage } from "../../storage/storage.ts";
import type { Resource } from "../definition/definition.ts";
import { forgetAttachments } from "./attachments.ts";
import { forgetComments } from "./comments.ts";

/** A row that is deleted for good. */
export interface Forgotten {
  readonly core: Pick<CoreDeclaration, "comments">;
  readonly storage: Pick<Storage, "library">;
  readonly resource: Resource;
  readonly id: unknown;
}

/** Removes what is said of a row and what is attached to it, with the row. */
export async function forgetDiscussion(tx: Transaction, forgotten: Forgotten): Promise<void> {
  const { hasComments, attachments } = forgotten.resource.discussion;
  if (hasComments) await forgetComments(tx, forgotten);
  if (attachments !== null) await forgetAttachments(tx, forgotten);
}
