import { Elysia, t } from "elysia";
import type { UserAnswer } from "../../accounts/admin/user-list.ts";
import type { Api, ApiProblem } from "../shell/api.ts";
import { Form, type Question, type Ui } from "../shell/pages.ts";
import { text } from "../shell/words.ts";
import { type SessionList, withDevices } from "./devices.ts";
import { listRoles } from "./users.ts";

const LIST = "/ui/users";
const Id = t.Object({ id: t.Integer({ minimum: 1 }) });

/** What can be done to a user by a button alone. */
interface Verb {
  readonly call: (api: Api, path: string) => Promise<unknown>;
  readonly done: string | null;
  /** Asked before. */
  readonly ask?: Pick<Question, "title" | "detail" | "button">;
  /** Path that it leads to. @default the user's page */
  readonly to?: string;
}

const VERBS: Readonly<Record<string, Verb>> = {
  activate: { call: (api, path) => api.put(`${path}/activate`), done: text("The account is active.") },
  deactivate: {
    call: (api, path) => api.put(`${path}/deactivate`),
    done: text("The account is deactivated."),
    ask: {
      title: text("Deactivate {email}?"),
      detail: text("All of their sessions end, and they can't sign in until the account is activated again."),
      button: text("Deactivate"),
    },
  },
  impersonate: {
    call: (api, path) => api.post(`${path}/impersonate`, {}),
    done: null, // the banner of each page says it
    to: "/ui",
  },
  unlock: {
    call: (api, path) => api.put(`${path}/unlock`),
    done: text("Nothing keeps them from signing in."),
  },
  keep: {
    call: (api, path) => api.delete(`${path}/deletion`),
    done: text("The account stays."),
    ask: {
      title: text("Keep {email}?"),
      detail: text("Its owner has asked for it to be deleted. They can ask again."),
      button: text("Keep the account"),
    },
  },
  "sign-out": {
    call: (api, path) => api.delete(`${path}/sessions`),
    done: text("All of their sessions have ended."),
    ask: {
      title: text("Sign {email} out everywhere?"),
      detail: text("All of their sessions end at once. API keys go on working."),
      button: text("Sign out"),
    },
  },
  "remove-otp": {
    call: (api, path) => api.delete(`${path}/otp`),
    done: text("The second factors are gone."),
    ask: {
      title: text("Take the second factors of {email}?"),
      detail: text("They sign in with their password alone then, and all of their sessions end."),
      button: text("Take them"),
    },
  },
  "revoke-keys": {
    call: (api, path) => api.delete(`${path}/api_keys`),
    done: text("All of their API keys are void."),
    ask: {
      title: text("Revoke all API keys of {email}?"),
      detail: text("What uses one of them is refused at once."),
      button: text("Revoke"),
    },
  },
  delete: {
    call: (api, path) => api.delete(path),
    done: text("{email} is deleted."),
    to: LIST,
    ask: {
      title: text("Delete {email}?"),
      detail: text("The account is gone for good, with its sessions, devices and API keys."),
      button: text("Delete"),
    },
  },
};

/** The page of a user, and what can be done there. */
export function userRoutes(ui: Ui) {
  return new Elysia({ name: "xcore/ui/people/user", prefix: `${LIST}/:id` })
    .use(ui.guards)
    .get("", ({ request, params }) => showUser(ui, request, params.id), { auth: true, params: Id })
    .post(
      "",
      ({ request, params: { id }, body: { email, full_name } }) => {
        const change = { email, full_name: full_name === "" ? null : full_name };
        return ui.act(request, {
          call: (api) => api.put(`/admin/users/${id}`, change),
          done: { text: text("Saved."), color: "success" },
          to: `${LIST}/${id}`,
          again: (problem) =>
            showUser(ui, request, id, { form: "user", values: { email, full_name }, problem }),
        });
      },
      {
        auth: true,
        params: Id,
        body: t.Object({
          ...Form.properties,
          email: t.String({ default: "" }),
          full_name: t.String({ default: "" }),
        }),
      },
    )
    .post(
      "/password",
      ({ request, params: { id }, body: { password } }) =>
        ui.act(request, {
          call: (api) => api.post(`/admin/users/${id}/password`, { password }),
          done: { text: text("The password is set, and their sessions have ended."), color: "success" },
          to: `${LIST}/${id}`,
          again: (problem) => showUser(ui, request, id, { form: "password", problem }),
        }),
      {
        auth: true,
        params: Id,
        body: t.Object({ ...Form.properties, password: t.String({ default: "" }) }),
      },
    )
    .use(partRoutes(ui))
    .use(verbRoutes(ui));
}

function verbRoutes(ui: Ui) {
  return new Elysia({ name: "xcore/ui/people/user/verbs" }).use(ui.guards).post(
    "/:verb",
    async ({ request, params: { id, verb }, body }) => {
      const { call, done, ask, to } = VERBS[verb] as Verb;
      const page = `${LIST}/${id}`;
      const { email } = await ui.api(request).get<UserAnswer>(`/admin/users/${id}`);
      const asked = ask && ui.confirm(request, body, { ...ask, values: { email }, back: page });
      return (
        asked ??
        ui.act(request, {
          call: (api) => call(api, `/admin/users/${id}`),
          done: done === null ? null : { text: done, values: { email }, color: "success" },
          to: to ?? page,
          form: page,
        })
      );
    },
    {
      auth: true,
      params: t.Object({
        ...Id.properties,
        verb: t.UnionEnum(Object.keys(VERBS) as [string, ...string[]]),
      }),
      body: Form,
    },
  );
}

/** What is done to a part of a user: a role, a session, a key. */
function partRoutes(ui: Ui) {
  const act = (
    request: Request,
    { id, done, call }: { id: number; done: string; call: (api: Api) => Promise<unknown> },
  ) => ui.act(request, { call, done: { text: done, color: "success" }, to: `${LIST}/${id}` });
  const Part = t.Object({ ...Id.properties, part: t.String({ maxLength: 64 }) });
  return new Elysia({ name: "xcore/ui/people/user/parts" })
    .use(ui.guards)
    .post(
      "/roles",
      ({ request, params: { id }, body: { role } }) =>
        act(request, {
          id,
          call: (api) => api.post(`/admin/users/${id}/roles/${role}`),
          done: text("The role is given."),
        }),
      { auth: true, params: Id, body: t.Object({ ...Form.properties, role: t.Integer({ minimum: 1 }) }) },
    )
    .post(
      "/roles/:part/take",
      ({ request, params: { id, part } }) =>
        act(request, {
          id,
          call: (api) => api.delete(`/admin/users/${id}/roles/${encodeURIComponent(part)}`),
          done: text("The role is taken."),
        }),
      { auth: true, params: Part, body: Form },
    )
    .post(
      "/sessions/:part/end",
      ({ request, params: { id, part } }) =>
        act(request, {
          id,
          call: (api) => api.delete(`/admin/users/${id}/sessions/${encodeURIComponent(part)}`),
          done: text("The session has ended."),
        }),
      { auth: true, params: Part, body: Form },
    )
    .post(
      "/api-keys/:part/revoke",
      ({ request, params: { id, part } }) =>
        act(request, {
          id,
          call: (api) => api.delete(`/admin/users/${id}/api_keys/${encodeURIComponent(part)}`),
          done: text("The API key is void."),
        }),
      { auth: true, params: Part, body: Form },
    );
}

/** A form of the page that was refused, and what was in it. */
interface Refused {
  readonly form: "user" | "password";
  readonly values?: { readonly email: string; readonly full_name: string };
  readonly problem: ApiProblem;
}

async function showUser(ui: Ui, request: Request, id: number, refused?: Refused) {
  const api = ui.api(request);
  const path = `/admin/users/${id}`;
  // Named so that the templates' `user` stays who asks.
  const [account, roles, sessions, keys] = await Promise.all([
    api.get<UserAnswer>(path),
    listRoles(ui, request),
    api.get<SessionList>(`${path}/sessions`, { per_page: 100 }),
    api.get(`${path}/api_keys`, { per_page: 100 }),
  ]);
  const values = refused?.values ?? { email: account.email, full_name: account.full_name ?? "" };
  const held = new Set(account.roles.map((role) => role.id));
  const data = {
    account,
    values,
    sessions: withDevices(sessions),
    keys,
    givable: roles.filter((role) => !held.has(role.id)),
  };
  return ui.form(request, "people/user.html", { ...data, refused: refused?.form ?? "" }, refused?.problem);
}
