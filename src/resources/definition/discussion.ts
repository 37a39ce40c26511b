import type { Column } from "drizzle-orm";
import { parseByteSize } from "../../config/schema.ts";
import { kindOf } from "../../db/schema/column-kind.ts";
import { assertKnown, refuse } from "./names.ts";
import type { AttachmentOptions } from "./options.ts";

/** What is taken beside the rows of a resource. */
export interface Discussion {
  readonly hasComments: boolean;
  /** Which files are attached; null for none. */
  readonly attachments: AttachmentOptions | null;
  /** Whether there is either. */
  readonly isOpen: boolean;
}

interface Asked {
  readonly comments?: boolean;
  readonly attachments?: boolean | AttachmentOptions;
}

const PATHS = ["comments", "attachments", "activity"];
const SIZE = /^\d+(?:\.\d+)?\s*(?:b|kb|mb|gb)?$/i;

/** Reads what is taken beside rows. @throws TypeError for options that aren't there, and a column whose files stand at its path */
export function toDiscussion(
  { tableName, columns }: { readonly tableName: string; readonly columns: ReadonlyMap<string, Column> },
  { comments = false, attachments = false }: Asked,
): Discussion {
  const asked = attachments === true ? {} : attachments;
  if (!comments && asked === false) return { hasComments: false, attachments: null, isOpen: false };
  const taken = PATHS.find((name) => {
    const column = columns.get(name);
    return column !== undefined && kindOf(column).type === "file";
  });
  if (taken !== undefined)
    throw refuse(
      tableName,
      `the files of its column "${taken}" are served where comments and attachments are`,
    );
  if (asked === false) return { hasComments: comments, attachments: null, isOpen: true };
  for (const name of Object.keys(asked)) assertKnown(tableName, name, ["types", "maxSize"]);
  const { maxSize } = asked;
  if (maxSize !== undefined && !SIZE.test(String(maxSize)))
    throw refuse(tableName, `"attachments.maxSize" is ${JSON.stringify(maxSize)}: expected such as "5mb"`);
  if (maxSize !== undefined) parseByteSize(maxSize);
  return { hasComments: comments, attachments: asked, isOpen: true };
}
