import type { Page } from "../../templates/templates.ts";
import { ApiProblem } from "../shell/api.ts";
import type { Records } from "./records.ts";

interface Answer {
  readonly is_allowed: boolean;
  readonly reasons: readonly { readonly message: string; readonly condition?: { readonly sql: string } }[];
}

/** The page that says why an account sees a row, or doesn't, and by which rule. */
export async function showExplanation(records: Records, id: string): Promise<Page> {
  const { api, ui, request, about } = records;
  const user = new URL(request.url).searchParams.get("user") ?? "";
  let problem: string | null = null;
  let found: Record<string, unknown> | null = null;
  if (user !== "") {
    try {
      found = await api.get(`/system/resources/${encodeURIComponent(about.name)}/explain`, { id, user });
    } catch (error) {
      if (!(error instanceof ApiProblem) || error.status === 401 || error.status === 403) throw error;
      problem = error.message;
    }
  }
  const answers = ["read", "update", "delete"].map((verb) => ({ verb, answer: found?.[verb] as Answer }));
  return ui.page(request, "records/explanation.html", {
    about,
    path: records.path,
    here: records.pathOf(id),
    id,
    account: user,
    problem,
    found,
    answers: found === null ? [] : answers,
  });
}
