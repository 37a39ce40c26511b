import { type SavedView, SHARE } from "../../resources/saved-views/views.ts";
import type { Page } from "../../templates/templates.ts";
import type { Api, ApiProblem } from "../shell/api.ts";
import { text } from "../shell/words.ts";
import { toWords } from "./bulk.ts";
import { type Sent, sentValue } from "./fields.ts";
import { COLUMNS, ListQuery, MODE, toAddress, VIEW } from "./list-query.ts";
import type { Records } from "./records.ts";

/** What the list says of its views. */
export interface ViewMenu {
  readonly items: readonly (SavedView & { readonly href: string; readonly isCurrent: boolean })[];
  /** The one that is looked at; null for none. */
  readonly current: SavedView | null;
  /** Whether the list is another one than that of the view by now. */
  readonly isChanged: boolean;
  readonly path: string;
  readonly mayShare: boolean;
  /** The list as it is, for forms to send. */
  readonly state: string;
  /** The list without any view. */
  readonly plainHref: string;
}

/** The value of `_view` for none, where the list would begin with one. */
const NONE = "0";

/** The views of the list, as far as there are any to whoever asks. */
export function readViews(records: Records): Promise<SavedView[]> {
  return records.api.getAll<SavedView>(apiPathOf(records));
}

/** Where the list of an address without parameters begins; null for all rows. */
export function firstHref(records: Records, views: readonly SavedView[]): string | null {
  const view = views.find((one) => one.is_default);
  return view === undefined ? null : hrefOf(records, view);
}

export function toViewMenu(records: Records, query: ListQuery, views: readonly SavedView[]): ViewMenu {
  const { path, ui, request } = records;
  const id = query.params.get(VIEW) ?? NONE;
  const current = views.find((one) => String(one.id) === id) ?? null;
  const items = views.map((one) => ({ ...one, href: hrefOf(records, one), isCurrent: one === current }));
  return {
    items,
    current,
    isChanged: current !== null && toKey(query.saved) !== toKey(current),
    path: `${path}/~views`,
    mayShare: ui.can(request, SHARE),
    state: query.params.toString(),
    plainHref: views.some((one) => one.is_default) ? `${path}?${VIEW}=${NONE}` : path,
  };
}

/** The page where views are renamed, shared, begun with and deleted. */
export async function showViews(records: Records): Promise<Page> {
  const { ui, request, about, path } = records;
  const views = await readViews(records);
  return ui.page(request, "records/views.html", {
    about,
    path,
    views: views.map((one) => ({ ...one, href: hrefOf(records, one) })),
    may_share: ui.can(request, SHARE),
  });
}

/** Saves the list as it is. */
export async function saveView(records: Records, sent: Sent): Promise<Page | Response> {
  const state = toState(records, sent);
  let made: SavedView | null = null;
  return records.ui.act(records.request, {
    call: async (api) => {
      const name = (sentValue(sent, "name") ?? "").trim();
      const is_shared = sentValue(sent, "is_shared") === "true";
      made = await api.post<SavedView>(apiPathOf(records), { name, is_shared, ...state.saved });
    },
    done: { text: text("The view is saved."), color: "success" },
    to: () => (made === null ? records.path : hrefOf(records, made)),
    form: toAddress(records.path, state.params),
    again: toRefusal(records, toAddress(records.path, state.params)),
  });
}

/** Does what a form wants done with a view. */
export async function changeView(records: Records, id: number, sent: Sent): Promise<Page | Response> {
  const { ui, request, path } = records;
  const act = sentValue(sent, "act") ?? "";
  const own = `${apiPathOf(records)}/${id}`;
  const page = `${path}/~views`;
  if (act === "replace") return replaceView(records, own, sent);
  if (act === "delete") {
    const values = { name: sentValue(sent, "title") ?? "" };
    const asked = ui.confirm(request, sent, {
      title: text("Delete the view {name}?"),
      values,
      button: text("Delete"),
      back: page,
    });
    if (asked !== null) return asked;
  }
  const calls: Readonly<Record<string, (api: Api) => Promise<unknown>>> = {
    rename: (api) => api.patch(own, { name: (sentValue(sent, "name") ?? "").trim() }),
    share: (api) => api.patch(own, { is_shared: true }),
    unshare: (api) => api.patch(own, { is_shared: false }),
    begin: (api) => api.put(`${own}/default`),
    "begin-not": (api) => api.delete(`${own}/default`),
    delete: (api) => api.delete(own),
  };
  const call = Object.hasOwn(calls, act) ? calls[act] : undefined;
  if (call === undefined) return ui.redirect(request, page);
  return ui.act(request, {
    call,
    done: { text: act === "delete" ? text("The view is deleted.") : text("Saved."), color: "success" },
    to: page,
    again: toRefusal(records, page),
  });
}

/** Saves the list as it is in the place of a view, while that is the one that was looked at. */
function replaceView(records: Records, own: string, sent: Sent): Promise<Page | Response> {
  const { saved, params } = toState(records, sent);
  const to = toAddress(records.path, params);
  return records.ui.act(records.request, {
    call: (api) =>
      api.patch(own, saved, { headers: { "if-match": `"${sentValue(sent, "version") ?? ""}"` } }),
    done: { text: text("The view is saved."), color: "success" },
    to,
    again: toRefusal(records, to),
  });
}

/** Goes back, and says why with what is wrong in it. */
function toRefusal({ ui, request }: Records, to: string): (problem: ApiProblem) => Promise<Response> {
  return (problem) => Promise.resolve(ui.redirect(request, to, { text: toWords(problem), color: "error" }));
}

function toState(records: Records, sent: Sent): ListQuery {
  return new ListQuery(records, sentValue(sent, "state") ?? "");
}

function apiPathOf({ about: { name } }: Records): string {
  return `/system/resources/${encodeURIComponent(name)}/views`;
}

/** The list as a view has it. */
function hrefOf({ path }: Records, { id, columns, query, mode }: SavedView): string {
  const params = new URLSearchParams();
  for (const [name, values] of Object.entries(query)) {
    for (const value of [values].flat()) params.append(name, value);
  }
  if (columns !== null) params.set(COLUMNS, columns.join(","));
  if (mode !== "paged") params.set(MODE, mode);
  params.set(VIEW, String(id));
  return toAddress(path, params);
}

/** The same for what shows the same. */
function toKey({ columns, query, mode }: Pick<SavedView, "columns" | "query" | "mode">): string {
  const entries = Object.entries(query).map(([name, value]) => [name, ...[value].flat()]);
  return JSON.stringify([columns, mode, entries.toSorted(([a = ""], [b = ""]) => (a < b ? -1 : 1))]);
}
