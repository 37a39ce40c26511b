import { toText } from "./cells.ts";
import { pathOfRecords, type Records, type Row, shorten } from "./records.ts";

/** Rows of another resource that belong to a row. */
export interface Children {
  readonly label: string;
  readonly rows: readonly { readonly title: string; readonly href: string }[];
  readonly total: number;
  /** All of them. */
  readonly href: string;
  /** A new one; null for whoever may not make any. */
  readonly add: string | null;
}

const SHOWN = 5;

/** What belongs to a row by the relations that its resource names: the latest of each. */
export async function toChildren(records: Records, row: Row): Promise<Children[]> {
  const { api, about } = records;
  const relations = about.relations.filter(({ is_many: isMany }) => isMany);
  const all = await Promise.all(
    relations.map(async ({ label, column: from, references: { resource, column } }) => {
      if (resource === null) return null;
      const other = await records.describe(resource);
      if (other === null) return null;
      const key = toText(row[from]);
      const found = await api.get<{ items: Row[]; total: number }>(other.path, {
        [column]: key,
        per_page: SHOWN,
        sort: `-${other.key}`,
      });
      const path = pathOfRecords(resource);
      const search = new URLSearchParams({ [column]: key }).toString();
      return {
        label,
        total: found.total,
        rows: found.items.map((one) => ({
          title: shorten(toText(one[other.title ?? other.key])) || `#${toText(one[other.key])}`,
          href: `${path}/${encodeURIComponent(toText(one[other.key]))}`,
        })),
        href: `${path}?${search}`,
        add: other.verbs.includes("create") ? `${path}/~new?${search}` : null,
      };
    }),
  );
  return all.filter((one) => one !== null);
}
