import { and, asc, count, desc, eq, ne, or, type SQL, sql } from "drizzle-orm";
import type { User } from "../../accounts/identity/principal.ts";
import { toForbidden } from "../../accounts/identity/guards.ts";
import type { CoreStore } from "../../accounts/people/store.ts";
import { ConstraintError } from "../../db/contract/database-error.ts";
import type { Database } from "../../db/contract/database.ts";
import { type Page, type PageQuery, paginate } from "../../db/paging/paginate.ts";
import type { CoreTables } from "../../db/schema/core-tables.ts";
import { fail, invalidRequest } from "../../errors/codes.ts";
import type { Access } from "../access/access.ts";
import { fullNameOf } from "../definition/names.ts";
import { checkContents, type Contents, fitContents } from "./contents.ts";

export type Mode = "paged" | "endless";

/** What of a view can be written. */
export interface ViewInput extends Contents {
  readonly name: string;
  readonly is_shared: boolean;
  readonly mode: Mode;
}

/** A view, as far as there is such a list to whoever asks. */
export interface SavedView extends ViewInput {
  readonly id: number;
  /** Whether their list begins with it. */
  readonly is_default: boolean;
  readonly may_change: boolean;
  readonly version: number;
  /** Whether all that was saved is there. */
  readonly is_complete: boolean;
  /** Columns and parameters that are left out, but for those that are hidden in a shared view. */
  readonly missing: string[];
  readonly created_at: string;
  readonly updated_at: string;
}

/** Who asks, and for the views of which list. */
export interface Asked {
  readonly user: User;
  readonly access: Access;
}

type Row = CoreTables["savedViews"]["$inferSelect"];

/** The permission that it takes to change what everybody sees. */
export const SHARE = "resources:share";
/** Views of one list. */
const MAX_OWN = 50;
const MAX_SHARED = 100;
const EVERYBODY = 0;

/** The views of lists that people save: their own, and those that are everybody's. */
export class SavedViews {
  readonly #db: Database;
  readonly #tables: Pick<CoreTables, "savedViews" | "savedViewDefaults">;

  constructor({ db, tables }: CoreStore) {
    this.#db = db;
    this.#tables = tables;
  }

  /** The views of a list that there are to somebody: their own come first. */
  async list(asked: Asked, query: PageQuery): Promise<Page<SavedView>> {
    const { savedViews } = this.#tables;
    const select = this.#db
      .select()
      .from(savedViews)
      .where(this.#seen(asked))
      .orderBy(desc(savedViews.scope), asc(savedViews.name));
    const [page, chosen] = await Promise.all([
      paginate<Row>(select, query, { sort: ["name", "created_at", "updated_at"] }),
      this.#defaultOf(asked),
    ]);
    return { ...page, items: page.items.map((row) => toView(asked, row, chosen)) };
  }

  /** @throws AppError not_found for one that isn't there to whoever asks */
  async read(asked: Asked, id: number): Promise<SavedView> {
    const [row, chosen] = await Promise.all([this.#find(asked, id), this.#defaultOf(asked)]);
    return toView(asked, row, chosen);
  }

  /**
   * @throws AppError conflict for a name that is taken, and for too many; authorization_error; validation_error for columns
   * and parameters that the list hasn't
   */
  async create(asked: Asked, input: Partial<ViewInput> & Pick<ViewInput, "name">): Promise<SavedView> {
    const { is_shared: isShared = false, name, columns = null, query = {}, mode = "paged" } = input;
    assertMayShare(asked, isShared);
    assertContents(asked, { columns, query });
    const { savedViews } = this.#tables;
    const place = toPlace(asked, isShared);
    return this.#db.transaction(async (tx) => {
      const [found] = await tx
        .select({ all: count() })
        .from(savedViews)
        .where(and(eq(savedViews.resource, place.resource), eq(savedViews.scope, place.scope)));
      const most = isShared ? MAX_SHARED : MAX_OWN;
      if ((found?.all ?? 0) >= most)
        throw fail("conflict", `Cannot save more than ${most} views of one list: delete one first`);
      const values = {
        ...place,
        name,
        columns: columns && JSON.stringify(columns),
        query: JSON.stringify(query),
        mode,
      };
      const [row] = await tx.insert(savedViews).values(values).returning().catch(toNamed(name));
      return toView(asked, row as Row, null);
    });
  }

  /**
   * Changes what is given.
   *
   * @param version the one that was read; null changes any
   * @throws AppError precondition_failed where the view is another one since, with it as `current`
   */
  async change(
    asked: Asked,
    id: number,
    { given, version }: { readonly given: Partial<ViewInput>; readonly version: number | null },
  ): Promise<SavedView> {
    const before = await this.#find(asked, id);
    const wasShared = before.user_id === null;
    const { is_shared: isShared = wasShared, name, columns, query, mode } = given;
    assertMayShare(asked, wasShared || isShared);
    assertContents(asked, {
      ...(columns !== undefined && { columns }),
      ...(query !== undefined && { query }),
    });
    const { savedViews, savedViewDefaults } = this.#tables;
    await this.#db.transaction(async (tx) => {
      const { rowsAffected } = await tx
        .update(savedViews)
        .set({
          ...(name !== undefined && { name }),
          ...(columns !== undefined && { columns: columns && JSON.stringify(columns) }),
          ...(query !== undefined && { query: JSON.stringify(query) }),
          ...(mode !== undefined && { mode }),
          ...(isShared !== wasShared && toPlace(asked, isShared)),
          version: sql`${savedViews.version} + 1`,
          updated_at: new Date(),
        })
        .where(and(this.#seen(asked, id), version === null ? undefined : eq(savedViews.version, version)))
        .catch(toNamed(name ?? before.name));
      if (rowsAffected === 0) throw this.#outdated(await this.read(asked, id));
      if (wasShared && !isShared) {
        const isOfOthers = ne(savedViewDefaults.user_id, asked.user.id);
        await tx.delete(savedViewDefaults).where(and(eq(savedViewDefaults.view_id, id), isOfOthers));
      }
    });
    return this.read(asked, id);
  }

  /** @throws AppError not_found, authorization_error */
  async remove(asked: Asked, id: number): Promise<void> {
    const { user_id: owner } = await this.#find(asked, id);
    assertMayShare(asked, owner === null);
    await this.#db.delete(this.#tables.savedViews).where(this.#seen(asked, id));
  }

  /** Has somebody's list begin with a view, or no longer. */
  async setDefault(asked: Asked, id: number, isDefault: boolean): Promise<SavedView> {
    const row = await this.#find(asked, id);
    const { savedViewDefaults: table } = this.#tables;
    const { resource } = row;
    const key = { user_id: asked.user.id, resource };
    if (isDefault)
      await this.#db
        .insert(table)
        .values({ ...key, view_id: id })
        .onConflictDoUpdate({ target: [table.user_id, table.resource], set: { view_id: id } });
    else
      await this.#db
        .delete(table)
        .where(and(eq(table.user_id, key.user_id), eq(table.resource, resource), eq(table.view_id, id)));
    return toView(asked, row, isDefault ? id : await this.#defaultOf(asked));
  }

  async #find(asked: Asked, id: number): Promise<Row> {
    const [row] = await this.#db.select().from(this.#tables.savedViews).where(this.#seen(asked, id));
    if (row === undefined) throw fail("not_found", `Cannot find view "${id}"`);
    return row;
  }

  async #defaultOf({ user, access }: Asked): Promise<number | null> {
    const { savedViewDefaults: table } = this.#tables;
    const [row] = await this.#db
      .select({ id: table.view_id })
      .from(table)
      .where(and(eq(table.user_id, user.id), eq(table.resource, fullNameOf(access.resource))));
    return row?.id ?? null;
  }

  /** Their own, and everybody's. */
  #seen({ user, access }: Asked, id?: number): SQL | undefined {
    const { savedViews } = this.#tables;
    return and(
      id === undefined ? undefined : eq(savedViews.id, id),
      eq(savedViews.resource, fullNameOf(access.resource)),
      or(eq(savedViews.scope, user.id), eq(savedViews.scope, EVERYBODY)),
    );
  }

  #outdated(current: SavedView): Error {
    return fail(
      "precondition_failed",
      `Cannot change view "${current.name}": it has changed since it was read; look at it, and change it again`,
      { headers: { etag: toTag(current) }, members: { current } },
    );
  }
}

/** The ETag of a view. */
export function toTag({ version }: Pick<SavedView, "version">): string {
  return `"${version}"`;
}

function toPlace({ user, access }: Asked, isShared: boolean) {
  return {
    resource: fullNameOf(access.resource),
    user_id: isShared ? null : user.id,
    scope: isShared ? EVERYBODY : user.id,
  };
}

function toView({ access }: Asked, row: Row, chosen: number | null): SavedView {
  const { id, name, user_id: owner, mode, version, created_at, updated_at } = row;
  const isShared = owner === null;
  const saved = {
    columns: row.columns === null ? null : (JSON.parse(row.columns) as string[]),
    query: JSON.parse(row.query) as Contents["query"],
  };
  const { missing, ...contents } = fitContents(access, saved);
  const { columns } = access.resource;
  const isTold = (one: string): boolean => !isShared || !columns.has(one.split(".")[0] ?? "");
  return {
    id,
    name,
    is_shared: isShared,
    is_default: id === chosen,
    may_change: !isShared || access.asker.can(SHARE),
    ...contents,
    mode,
    version,
    is_complete: missing.length === 0,
    missing: missing.filter(isTold),
    created_at: created_at.toISOString(),
    updated_at: updated_at.toISOString(),
  };
}

function assertMayShare({ access: { asker } }: Asked, isShared: boolean): void {
  if (isShared && !asker.can(SHARE))
    throw toForbidden(`A view that everybody sees takes the permission "${SHARE}"`);
}

function assertContents({ access }: Asked, contents: Partial<Contents>): void {
  const problems = checkContents(access, contents);
  if (problems.length > 0) throw invalidRequest(problems);
}

/** Says which name is taken. */
function toNamed(name: string): (error: unknown) => never {
  return (error) => {
    if (error instanceof ConstraintError && error.constraint === "unique")
      throw fail("conflict", `Cannot save view "${name}": there is one of that name`, { cause: error });
    throw error;
  };
}
