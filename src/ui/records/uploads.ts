import { ApiProblem } from "../shell/api.ts";
import { FIELD, type Sent, sentValue } from "./fields.ts";
import type { Column, Records } from "./records.ts";

/** What a form has sent of files, by column. */
export interface Uploads {
  /** Ids of those that the row is to have; "" for one that is taken away. */
  readonly texts: Readonly<Record<string, string>>;
  /** What they are called: a form that is shown again keeps them. */
  readonly names: Readonly<Record<string, string>>;
  readonly errors: Readonly<Record<string, string>>;
}

/** Begin the names of what belongs to the field of a file: the file itself, its removal, and its name. */
export const [UPLOAD, REMOVAL, NAME] = ["u-", "r-", "n-"];
/** Of a name: what a form says beyond is no name of ours. */
const MAX_NAME = 300;

/** Keeps the files of a form: the API gives each an id, and removes after a day what no row has come to refer to. */
export async function receiveFiles(
  records: Records,
  columns: readonly Column[],
  sent: Sent,
): Promise<Uploads> {
  const [texts, names, errors]: Record<string, string>[] = [{}, {}, {}] as const;
  for (const { name } of columns.filter(({ kind }) => kind === "file")) {
    const kept = sentValue(sent, FIELD + name);
    const keptName = sentValue(sent, NAME + name);
    if (kept !== null && keptName !== null) names[name] = keptName.slice(0, MAX_NAME);
    if (sentValue(sent, REMOVAL + name) !== null) texts[name] = "";
    const file = toChosenFile(sent[UPLOAD + name]);
    if (file === null) continue;
    try {
      // oxlint-disable-next-line no-await-in-loop -- there are few, and each may be large
      const stored = await upload(records, name, file);
      texts[name] = stored.id;
      names[name] = stored.name;
    } catch (error) {
      errors[name] = toMessage(error);
    }
  }
  return { texts, names, errors };
}

function upload({ api, about }: Records, field: string, file: File): Promise<{ id: string; name: string }> {
  const form = new FormData();
  form.append("field", field);
  form.append("file", file);
  return api.post(`${about.path}/files`, form);
}

/** The file of a field; null for what a browser sends where nobody has chosen one. */
export function toChosenFile(value: unknown): File | null {
  const [file] = [value].flat();
  if (!(file instanceof Blob)) return null;
  const { name = "" } = file as { readonly name?: string };
  return file.size === 0 && name === "" ? null : (file as File);
}

/** @throws what isn't about the file */
function toMessage(error: unknown): string {
  if (!(error instanceof ApiProblem) || error.status === 401 || error.status === 500) throw error;
  return error.fields["file"] ?? error.fields["field"] ?? error.message;
}
