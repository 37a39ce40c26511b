import type { ResourceDescription } from "../../resources/admin/descriptions.ts";
import type { Page, PageOptions, TemplateData } from "../../templates/templates.ts";
import type { Api } from "../shell/api.ts";
import type { Ui } from "../shell/pages.ts";

export type Column = ResourceDescription["columns"][number];
export type Reference = NonNullable<Column["references"]>;
export type Row = Readonly<Record<string, unknown>>;

/** Whose rows a page shows, as its path says. */
export interface Place {
  readonly plugin: string;
  readonly resource: string;
}

export const RECORDS = "/ui/records";
const MAX_TEXT = 160; // characters
/** Kinds whose values are numbers in JSON. */
const NUMBERS = new Set(["id", "integer", "bigint", "references"]);

/** Where the pages of a resource are: "crm.deals" at /ui/records/crm/deals. */
export function pathOfRecords(resource: string): string {
  const [plugin = "", name = ""] = resource.split(".");
  return `${RECORDS}/${encodeURIComponent(plugin)}/${encodeURIComponent(name)}`;
}

/** What pages show of a value that may be of any length: many of them stand on one. */
export function shorten(text: string): string {
  return text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}...` : text;
}

/** How people call a row of a resource. */
export function titleOf({ title, key, singular }: ResourceDescription, row: Row): string {
  const named = title === null ? null : row[title];
  return typeof named === "string" && named !== "" ? shorten(named) : `${singular} ${String(row[key])}`;
}

/** The rows of one resource, as somebody sees them who asks for a page. */
export class Records {
  readonly ui: Ui;
  readonly request: Request;
  readonly api: Api;
  /** What there is of the resource to them. */
  readonly about: ResourceDescription;
  readonly #others = new Map<string, Promise<ResourceDescription | null>>();

  private constructor(ui: Ui, request: Request, about: ResourceDescription) {
    this.ui = ui;
    this.request = request;
    this.api = ui.api(request);
    this.about = about;
  }

  /** @throws ApiProblem for a resource that isn't there to whoever asks */
  static async open(ui: Ui, request: Request, { plugin, resource }: Place): Promise<Records> {
    const name = encodeURIComponent(`${plugin}.${resource}`);
    return new Records(ui, request, await ui.api(request).get(`/system/resources/${name}`));
  }

  /** The same of another one, such as "crm.deals". @throws ApiProblem */
  static openNamed({ ui, request }: Records, name: string): Promise<Records> {
    const [plugin = "", resource = ""] = name.split(".");
    return Records.open(ui, request, { plugin, resource });
  }

  /** Whether a script asks, for a part of the page. */
  get isHtmx(): boolean {
    return this.request.headers.has("hx-request");
  }

  /** What there is of another resource to whoever asks; null for none. */
  describe(resource: string): Promise<ResourceDescription | null> {
    const known = this.#others.get(resource);
    const path = `/system/resources/${encodeURIComponent(resource)}`;
    const asked = known ?? this.api.getIfAllowed<ResourceDescription>(path);
    this.#others.set(resource, asked);
    return asked;
  }

  /** Of the list. */
  get path(): string {
    return pathOfRecords(this.about.name);
  }

  /** Of the page of a row. */
  pathOf(id: unknown): string {
    return `${this.path}/${encodeURIComponent(String(id))}`;
  }

  /** Of a row in the JSON API. */
  apiPathOf(id: unknown, verb?: string): string {
    const path = `${this.about.path}/${encodeURIComponent(String(id))}`;
    return verb === undefined ? path : `${path}/${encodeURIComponent(verb)}`;
  }

  /** The page of a screen: of the template that the plugin has for it, else of ours. */
  screen(screen: "list" | "form", data: TemplateData, options: PageOptions = {}): Promise<Page> {
    const { plugin, templates } = this.about;
    const own = templates[screen];
    const template = own === undefined ? `ui/records/${screen}.html` : `${plugin}/${own}`;
    return this.ui.pageOf(this.request, template, data, options);
  }

  may(verb: "create" | "update" | "delete"): boolean {
    return this.about.verbs.includes(verb);
  }

  column(name: string): Column | null {
    return this.about.columns.find((column) => column.name === name) ?? null;
  }

  /** How people call a row. */
  titleOf(row: Row): string {
    return titleOf(this.about, row);
  }

  /** A key as JSON has it, of one as an address or a form has it. */
  toKey(text: string): string | number {
    const kind = this.column(this.about.key)?.kind ?? "text";
    return NUMBERS.has(kind) && /^-?\d{1,16}$/.test(text) ? Number(text) : text;
  }

  /** The relation that a column leads to, where rows can be asked for with it: "company" of "company_id". */
  relationOf(name: string): string | null {
    const { relations, expand } = this.about;
    const relation = relations.find(({ is_many, column }) => !is_many && column === name);
    return relation !== undefined && expand.includes(relation.name) ? relation.name : null;
  }
}
