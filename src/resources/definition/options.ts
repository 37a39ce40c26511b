import type { Column, SQL, Table } from "drizzle-orm";
import type { User } from "../../accounts/identity/principal.ts";
import type { Database } from "../../db/contract/database.ts";

/** Who asks, and what they may do. */
export interface Asker<Found extends User | null = User> {
  /** Null for nobody known, where the resource asks for nobody. */
  readonly user: Found;
  /** Whether they hold a permission, such as "deals:all". */
  readonly can: (permission: string) => boolean;
}

/** What is done with a row that is there. */
export type Verb = "read" | "update" | "delete";

/** Which rows there are to whoever asks: a condition; undefined for all, false for none. */
export type RowRule<Found extends User | null = User> = (asker: Asker<Found>) => SQL | undefined | false;

/** Whether a field is there to whoever asks: always, never, by a permission, or as a function says. */
export type FieldAccess<Found extends User | null = User> =
  | boolean
  | string
  | ((asker: Asker<Found>) => boolean);

/** Who may see a field, and who may set it. */
export interface FieldRule<Found extends User | null = User> {
  /** A field that may not be seen can be neither filtered nor sorted by. @default true */
  readonly read?: FieldAccess<Found>;
  /** @default true */
  readonly write?: FieldAccess<Found>;
}

export type RowOf<T extends Table> = T["$inferSelect"];

/** Messages by field: `{ close_on: "must be after the start" }`. */
export type FieldMessages = Readonly<Record<string, string | undefined>>;

export interface CheckInput<T extends Table, Found extends User | null = User> {
  /** The row as it would be. */
  readonly value: Partial<RowOf<T>>;
  /** The row as it is; null for a new one. */
  readonly before: RowOf<T> | null;
  /** The transaction that it is written in. */
  readonly db: Database;
  readonly user: Found;
}

type NameOf<T extends Table> = keyof T["$inferSelect"] & string;

/** A step from state to state. */
export interface TransitionOptions<State extends string> {
  /** The states that it starts from. */
  readonly from: State | readonly State[];
  readonly to: State;
  /** What it asks for: `"deals:close"`, which it declares. @default what all changes of the resource do */
  readonly permission?: string;
}

/** The states of rows, and the ways between them. */
export type WorkflowOptions<T extends Table> = {
  [Name in NameOf<T>]: {
    /** The column of the state. Clients can't set it; new rows have its default. */
    readonly field: Name;
    /** Each is a route of its own: `win` is `POST /deals/{id}/win`. */
    readonly transitions: Readonly<Record<string, TransitionOptions<Extract<RowOf<T>[Name], string>>>>;
    /**
     * Who may import new rows in any state, past the steps that lead there: a permission such as `"deals:migrate"`, which it declares.
     *
     * @default nobody: what is imported begins as all new rows do
     */
    readonly import?: string;
  };
}[NameOf<T>];

/** How long it is kept who has changed what. */
export interface HistoryOptions {
  /** Days, weeks, months or years: `"90d"`, `"12w"`, `"18mo"`, `"2y"`. @default for ever */
  readonly keep?: string;
}

/** Which files are taken beside rows. */
export interface AttachmentOptions {
  /** Media types such as `["application/pdf", "image/*"]`. @default any */
  readonly types?: readonly string[];
  /** Such as `"5mb"`, where it is less than `storage.max_size`. */
  readonly maxSize?: string | number;
}

/** Numbers without gaps. */
export interface NumberingOptions<T extends Table> {
  /** A varchar, which clients can't set. */
  readonly field: NameOf<T>;
  /**
   * How numbers are written, with a counter such as `{00000}`, which goes on with more digits where these don't do. `{YYYY}` or `{YY}`,
   * and `{MM}`, are the year and the month in UTC: each has numbers from 1.
   */
  readonly series: string;
  /** When a row gets its number: as it is made, or comes to this state of its workflow. @default "created" */
  readonly when?: string;
}

/** What a field of a form is shown by: one value of a column, or several; null for none. */
type ShowingValue = string | number | boolean | null;

/** How the screens of a resource are arranged, in the pages of the administration. */
export interface AdminOptions<T extends Table> {
  /** What its rows are called together. @default its path, as words */
  readonly label?: string;
  /** Of the menu, such as `"money"`. @default "database" */
  readonly icon?: string;
  /** The column by which people tell rows apart. @default `name`, `title` or another that is called so */
  readonly title?: NameOf<T>;
  /** Columns of its list, in order. @default the first few */
  readonly list?: readonly NameOf<T>[];
  /**
   * Columns of its form, put together: `[["title", "amount"], { title: "Dates", fields: ["close_on"] }]`. Others aren't in it, but for
   * those that a new row must be given.
   *
   * @default all, in order
   */
  readonly form?: readonly (
    | readonly NameOf<T>[]
    | { readonly title?: string; readonly fields: readonly NameOf<T>[] }
  )[];
  /**
   * When fields of the form are shown: `{ lost_reason: { stage: "lost" } }`, or `{ stage: ["won", "lost"] }`; where there are several columns,
   * all have to be so. A field that is hidden isn't sent: the row keeps what it has. Without a script all are shown.
   *
   * @default always
   */
  readonly show?: {
    readonly [Name in NameOf<T>]?: {
      readonly [Other in NameOf<T>]?: ShowingValue | readonly ShowingValue[];
    };
  };
  /** Whether the menu leads to it. @default true */
  readonly menu?: boolean;
  /** Templates of the plugin in the place of screens: `{ list: "deals.html" }`, which extends `"xcore/ui/records/list.html"`. */
  readonly templates?: { readonly list?: string; readonly form?: string };
}

export interface ResourceOptions<T extends Table, Found extends User | null = User> {
  /** Below the plugin's prefix. @default the table's name, without the plugin's before it */
  readonly path?: string;
  /** One of its rows, in the names of events: `crm.deal.created`. @default the singular of the path */
  readonly name?: string;
  /**
   * What it asks for: `"deals"` for `deals:read`, `deals:write` and `deals:delete`, which it declares. Null asks for nobody.
   *
   * @default its path
   */
  readonly permission?: string | null;
  /** Whether reading asks for nobody: everybody sees the rows that `rows` has for them. @default false */
  readonly public?: boolean;
  /** Columns, also of relations, that `q` searches: `["title", "company.name"]`. @default none */
  readonly search?: readonly string[];
  /**
   * Whether `q` finds words of the table's own columns by their beginnings, whatever the case and the accents of letters, with the
   * database's full text index: the table declares `searchIndex("deals_search").on(t.title)`, for which `xcore db generate` writes a
   * migration. Columns of relations are searched as without.
   *
   * @default false
   */
  readonly searchIndex?: boolean;
  /** Relations that may be asked for along with a row: `["company", "company.parent"]`. @default none */
  readonly expand?: readonly string[];
  /** What `filter` may name. @default all columns, and those of the relations in `expand` */
  readonly filter?: readonly string[];
  /** What `sort` may name. @default all columns but JSON */
  readonly sort?: readonly NameOf<T>[];
  /** Lists of rows of other tables, by the column there that refers here: `{ contacts: contacts.company_id }`. */
  readonly relations?: Readonly<Record<string, Column>>;
  /** Which rows there are, for all verbs or for each. One that may not be seen is 404. @default all */
  readonly rows?: RowRule<Found> | { readonly [Key in Verb]?: RowRule<Found> };
  /** Who may see and set single fields. @default all may */
  readonly fields?: { readonly [Name in NameOf<T>]?: FieldRule<Found> };
  /** What new rows have by whoever makes them; clients can't set it then: `{ owner_id: ({ user }) => user.id }`. */
  readonly create?: { readonly [Name in NameOf<T>]?: (asker: Asker<Found>) => RowOf<T>[Name] };
  /**
   * Rows that are deleted stay in the table, in which a column that may be null says when: `deleted_at`, or the one that is named.
   * They aren't there to anybody, but to whoever may delete: in lists with `?deleted=only`, and by `POST /{id}/restore`.
   *
   * @default false
   */
  readonly softDelete?: boolean | NameOf<T>;
  /**
   * Keeps who has changed what of each row and when, with the values before and after: `GET /{id}/history`, `POST /{id}/revert`. Whoever
   * may see a row may see what it was. It stays when rows are deleted; `{ keep: "2y" }` deletes each night what is older.
   *
   * @default false
   */
  readonly history?: boolean | HistoryOptions;
  /**
   * Takes comments on rows, as text: `GET` and `POST /{id}/comments`. Whoever sees a row sees what is said of it; to say something takes
   * `:write`. What somebody has written they change and delete themselves; who may delete rows deletes any. They go with the row.
   *
   * @default false
   */
  readonly comments?: boolean;
  /**
   * Takes files beside a row: `GET` and `POST /{id}/attachments`, with the same rules as comments have. `{ types: ["application/pdf"],
   * maxSize: "5mb" }` bounds them, as `file()` does.
   *
   * @default false
   */
  readonly attachments?: boolean | AttachmentOptions;
  /**
   * States that rows go through by steps alone, each a route: `{ field: "stage", transitions: { win: { from: "open", to: "won" } } }` is
   * `POST /deals/{id}/win`, which is 409 with the row where it is in another state.
   *
   * @default none
   */
  readonly workflow?: WorkflowOptions<T>;
  /**
   * Numbers without gaps, in the order in which rows are committed: `{ field: "number", series: "INV-{YYYY}-{00000}", when: "submitted" }`.
   *
   * @default none
   */
  readonly numbered?: NumberingOptions<T>;
  /** Arranges its screens in the administration. */
  readonly admin?: AdminOptions<T>;
  /** Looks at a row before it is written; what it returns refuses it. */
  readonly check?: (
    input: CheckInput<T, Found>,
  ) => FieldMessages | undefined | Promise<FieldMessages | undefined>;
}
