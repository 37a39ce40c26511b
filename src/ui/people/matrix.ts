import { Elysia, t } from "elysia";
import type { PermissionAnswer, RoleAnswer } from "../../accounts/admin/role-list.ts";
import { Form, type Ui } from "../shell/pages.ts";
import { text } from "../shell/words.ts";

const PAGE = "/ui/permissions";
const EVERYTHING = "*";

/** What a role grants of a row: by itself, by a wildcard, or not at all. */
interface Cell {
  readonly role: RoleAnswer;
  readonly isGranted: boolean;
  /** The wildcard that grants it as well; "" for none. */
  readonly by: string;
}

interface Row {
  readonly name: string;
  /** "" for wildcards, which say themselves what they are. */
  readonly description: string;
  readonly cells: readonly Cell[];
}

/** Permissions of a plugin, or of xcore itself: "core". */
interface Group {
  readonly owner: string;
  readonly rows: readonly Row[];
}

/** The page of what each role grants. */
export function matrixRoutes(ui: Ui) {
  return new Elysia({ name: "xcore/ui/people/matrix", prefix: PAGE })
    .use(ui.guards)
    .get(
      "",
      async ({ request }) => {
        const { roles, permissions } = await readAll(ui, request);
        const columns = roles.map((role) => ({ ...role, seen: toMark(role) }));
        const groups = toGroups(roles, permissions);
        return ui.page(request, "people/permissions.html", { roles: columns, groups });
      },
      { auth: true },
    )
    .post("", ({ request, body }) => save(ui, request, body), {
      auth: true,
      body: t.Object({
        ...Form.properties,
        seen: t.Array(t.String(), {
          default: [],
          description: "Each role, and what it granted when it was shown",
        }),
        grants: t.Array(t.String(), {
          default: [],
          description: "Each role with a permission: 7 users:read",
        }),
      }),
    });
}

async function save(ui: Ui, request: Request, { seen, grants }: { seen: string[]; grants: string[] }) {
  const { roles, permissions } = await readAll(ui, request);
  const shown = new Set(toNames(permissions, roles));
  const marks = new Set(seen);
  const changed = roles.flatMap((role) => {
    const asked = grants
      .filter((one) => one.startsWith(`${role.id} `))
      .map((one) => one.slice(`${role.id} `.length));
    const kept = role.permissions.filter((name) => !shown.has(name));
    const wanted = [...new Set([...kept, ...asked.filter((name) => shown.has(name))])].toSorted();
    const isShown = seen.some((mark) => mark.startsWith(`${role.id} `));
    return isShown && wanted.join(" ") !== role.permissions.join(" ") ? [{ role, wanted }] : [];
  });
  const stale = changed.find(({ role }) => !marks.has(toMark(role)));
  if (stale !== undefined) {
    const { name } = stale.role;
    const said = text(
      "Somebody has changed the role {name} meanwhile. This is what it grants now; choose again.",
    );
    return ui.redirect(request, PAGE, { text: said, values: { name }, color: "error" });
  }
  const names = changed.map(({ role }) => role.name).join(", ");
  return ui.act(request, {
    async call(api) {
      for (const { role, wanted } of changed) {
        // oxlint-disable-next-line no-await-in-loop -- the first that is refused is the one that is told
        await api.put(`/admin/roles/${role.id}/permissions`, { permissions: wanted });
      }
    },
    done:
      names === ""
        ? { text: text("Nothing was changed."), color: "info" }
        : { text: text("Saved: {names}."), values: { names }, color: "success" },
    to: PAGE,
  });
}

async function readAll(ui: Ui, request: Request) {
  const api = ui.api(request);
  const [roles, permissions] = await Promise.all([
    api.getAll<RoleAnswer>("/admin/roles"),
    api.getAll<PermissionAnswer>("/admin/permissions"),
  ]);
  return { roles, permissions };
}

/** Everything that can be granted, wildcards too. */
function toNames(permissions: readonly PermissionAnswer[], roles: readonly RoleAnswer[]): string[] {
  const known = permissions.map(({ name }) => name);
  // What was granted before its plugin went stays granted.
  const held = roles.flatMap((role) => role.permissions);
  return [...new Set([EVERYTHING, ...known.map(toWildcard), ...known, ...held])];
}

function toGroups(roles: readonly RoleAnswer[], permissions: readonly PermissionAnswer[]): Group[] {
  const byName = new Map(permissions.map((permission) => [permission.name, permission]));
  const owners = new Map(permissions.map(({ name, owner }) => [toWildcard(name), owner]));
  const ownerOf = (name: string): string => byName.get(name)?.owner ?? owners.get(toWildcard(name)) ?? "";
  const groups = Map.groupBy(toNames(permissions, roles).toSorted(), (name) =>
    name === EVERYTHING ? "core" : ownerOf(name),
  );
  return [...groups]
    .toSorted(([a], [b]) => Number(b === "core") - Number(a === "core") || (a < b ? -1 : 1))
    .map(([owner, names]) => ({
      owner,
      rows: names.map((name) => ({
        name,
        description: byName.get(name)?.description ?? "",
        cells: roles.map((role) => toCell(role, name)),
      })),
    }));
}

function toCell(role: RoleAnswer, name: string): Cell {
  const held = new Set(role.permissions);
  const wider = [EVERYTHING, toWildcard(name)].find((grant) => grant !== name && held.has(grant));
  return { role, isGranted: held.has(name), by: wider ?? "" };
}

/** Such as invoices:* of invoices:read. */
function toWildcard(name: string): string {
  return name === EVERYTHING ? EVERYTHING : name.replace(/:.*/, ":*");
}

/** Tells one state of a role from another. */
function toMark({ id, permissions }: RoleAnswer): string {
  return `${id} ${Bun.hash(permissions.join(" ")).toString(36)}`;
}
