import type { Column } from "drizzle-orm";
import { assertKnown, refuse } from "./names.ts";
import { type AnyShow, type ShownFields, toShownFields } from "./shown-fields.ts";

/** How the screens of a resource are arranged. */
export interface Screens {
  /** What its rows are called together; null: as its path. */
  readonly label: string | null;
  readonly icon: string;
  /** The column by which people tell rows apart; null: one that is found. */
  readonly title: string | null;
  /** Columns of its list, in order; null for the first few. */
  readonly list: readonly string[] | null;
  /** Columns of its form, put together; null for all of them in one. */
  readonly form: readonly Fieldset[] | null;
  /** When fields of its form are shown; those that aren't named always are. */
  readonly show: ShownFields;
  /** Whether the menu leads to it. */
  readonly isInMenu: boolean;
  /** The plugin's templates in the place of the screens. */
  readonly templates: Readonly<Partial<Record<Screen, string>>>;
}

/** Columns of a form that stand together. */
export interface Fieldset {
  readonly title: string | null;
  readonly fields: readonly string[];
}

export type Screen = "list" | "form";

/** The pictures that there are: those of templates/components/icon.html. */
export const ICONS =
  "activity archive bell bolt box calendar chart check clock cog database file folder gauge globe home key link list lock mail menu money palette plug server shield star tag truck user users warning".split(
    " ",
  );

const KEYS = ["label", "icon", "title", "list", "form", "show", "menu", "templates"];
const SCREENS = ["list", "form"];
const FIELDSET = ["title", "fields"];
const TEMPLATE = /^[\w-][\w./-]*\.html$/;

interface AnyScreens {
  readonly label?: string;
  readonly icon?: string;
  readonly title?: string;
  readonly list?: readonly string[];
  readonly form?: readonly (
    | readonly string[]
    | { readonly title?: string; readonly fields: readonly string[] }
  )[];
  readonly show?: AnyShow;
  readonly menu?: boolean;
  readonly templates?: Readonly<Partial<Record<Screen, string>>>;
}

/** Reads how screens are to be arranged. @throws TypeError for names that aren't there, with the one that was meant */
export function toScreens(
  table: {
    readonly tableName: string;
    readonly columns: ReadonlyMap<string, Column>;
    readonly made: ReadonlySet<string>;
  },
  asked: AnyScreens = {},
): Screens {
  const { tableName, columns } = table;
  for (const name of Object.keys(asked)) assertKnown(tableName, name, KEYS);
  const {
    label = null,
    icon = "database",
    title = null,
    list = null,
    form = null,
    menu = true,
    templates = {},
  } = asked;
  assertKnown(tableName, icon, ICONS);
  for (const [screen, template] of Object.entries(templates)) {
    assertKnown(tableName, screen, SCREENS);
    if (!TEMPLATE.test(template))
      throw refuse(
        tableName,
        `"admin.templates.${screen}" is ${JSON.stringify(template)}: expected such as "deals.html"`,
      );
  }
  const fieldsets = form?.map((one) => toFieldset(tableName, one)) ?? null;
  const named = [
    ...(title === null ? [] : [title]),
    ...(list ?? []),
    ...(fieldsets ?? []).flatMap(({ fields }) => fields),
  ];
  for (const name of named) assertKnown(tableName, name, [...columns.keys()]);
  const show = toShownFields(table, asked.show);
  return { label, icon, title, list, form: fieldsets, show, isInMenu: menu, templates };
}

function toFieldset(tableName: string, asked: NonNullable<AnyScreens["form"]>[number]): Fieldset {
  if (!("fields" in asked)) return { title: null, fields: asked };
  for (const name of Object.keys(asked)) assertKnown(tableName, name, FIELDSET);
  return { title: asked.title ?? null, fields: asked.fields };
}
