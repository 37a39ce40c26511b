import { Elysia, t } from "elysia";
import { type SessionList, withDevices } from "./devices.ts";
import type { ApiProblem } from "../shell/api.ts";
import { Form, Paged, type Ui } from "../shell/pages.ts";
import { text } from "../shell/words.ts";

const SESSIONS = "/ui/account/sessions";
const KEYS = "/ui/account/api-keys";

/** Where somebody is signed in themselves, and their own API keys; and how an administrator views as them no more. */
export function accessRoutes(ui: Ui) {
  return new Elysia({ name: "xcore/ui/people/access" })
    .use(sessionRoutes(ui))
    .use(keyRoutes(ui))
    .use(viewRoutes(ui));
}

/** What the banner of a view has: see templates/layout.html. */
function viewRoutes(ui: Ui) {
  return new Elysia({ name: "xcore/ui/people/access/view" }).use(ui.guards).post(
    "/ui/view/end",
    ({ request, user }) =>
      ui.act(request, {
        call: (api) => api.delete("/auth/impersonation"),
        done: { text: text("You don't view as {email} any more."), values: { email: user.email } },
        to: `/ui/users/${user.id}`,
        form: "/ui",
      }),
    { auth: true, body: Form },
  );
}

function sessionRoutes(ui: Ui) {
  return new Elysia({ name: "xcore/ui/people/access/sessions", prefix: SESSIONS })
    .use(ui.guards)
    .get(
      "",
      async ({ request, query }) => {
        const sessions = await ui.api(request).get<SessionList>("/auth/sessions", query);
        return ui.page(request, "people/sessions.html", { sessions: withDevices(sessions) });
      },
      { auth: true, query: Paged },
    )
    .post(
      "/end-others",
      ({ request }) =>
        ui.act(request, {
          call: (api) => api.delete("/auth/sessions"),
          done: { text: text("You are signed in here alone."), color: "success" },
          to: SESSIONS,
        }),
      { auth: true, body: Form },
    )
    .post(
      "/:id/end",
      ({ request, params: { id } }) =>
        ui.act(request, {
          call: (api) => api.delete(`/auth/sessions/${encodeURIComponent(id)}`),
          done: { text: text("The session has ended."), color: "success" },
          to: SESSIONS,
        }),
      { auth: true, params: t.Object({ id: t.String({ maxLength: 64 }) }), body: Form },
    );
}

/** An API key as it is shown once. */
interface MadeKey {
  readonly name: string;
  readonly key: string;
  readonly warnings?: readonly string[];
}

function keyRoutes(ui: Ui) {
  return new Elysia({ name: "xcore/ui/people/access/keys", prefix: KEYS })
    .use(ui.guards)
    .get("", ({ request, query }) => showKeys(ui, request, query), { auth: true, query: Paged })
    .post(
      "",
      async ({ request, body: { name, permissions, expires_on } }) => {
        const values = { name, permissions, expires_on };
        try {
          const made = await ui.api(request).post<MadeKey>("/auth/api_keys", {
            name,
            permissions: permissions.split(/[\s,]+/).filter((one) => one !== ""),
            ...(expires_on !== "" && { expires_at: `${expires_on}T23:59:59Z` }),
          });
          return await ui.page(
            request,
            "people/api-key.html",
            { made },
            { headers: { "cache-control": "no-store" } },
          );
        } catch (error) {
          return ui.refused(request, error, {
            form: KEYS,
            again: (problem) => showKeys(ui, request, {}, { values, problem }),
          });
        }
      },
      {
        auth: true,
        body: t.Object({
          ...Form.properties,
          name: t.String({ default: "" }),
          permissions: t.String({ default: "" }),
          expires_on: t.String({ default: "" }),
        }),
      },
    )
    .post(
      "/:id/revoke",
      ({ request, params: { id }, body }) => {
        const asked = ui.confirm(request, body, {
          title: text("Revoke this API key?"),
          detail: text("What uses it is refused at once."),
          button: text("Revoke"),
          back: KEYS,
        });
        return (
          asked ??
          ui.act(request, {
            call: (api) => api.delete(`/auth/api_keys/${id}`),
            done: { text: text("The API key is void."), color: "success" },
            to: KEYS,
          })
        );
      },
      { auth: true, params: t.Object({ id: t.Integer({ minimum: 1 }) }), body: Form },
    );
}

interface Refused {
  readonly values: { readonly name: string; readonly permissions: string; readonly expires_on: string };
  readonly problem: ApiProblem;
}

async function showKeys(ui: Ui, request: Request, query: typeof Paged.static, refused?: Refused) {
  const api = ui.api(request);
  const [keys, me] = await Promise.all([
    api.get("/auth/api_keys", query),
    api.get<{ permissions: readonly string[] }>("/auth/me"),
  ]);
  const values = refused?.values ?? { name: "", permissions: "", expires_on: "" };
  const data = { keys, values, held: me.permissions };
  return ui.form(request, "people/api-keys.html", data, refused?.problem);
}
