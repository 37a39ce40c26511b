import { Elysia, t } from "elysia";
import type { ApiProblem } from "../shell/api.ts";
import { Form, type Ui } from "../shell/pages.ts";
import { text } from "../shell/words.ts";

const PAGE = "/ui/account";
const Line = t.String({ default: "", maxLength: 1024 });
const MAX_PROVIDERS = 100;
/** What becomes of the link to another email, by where mail arrives. */
const LINK_SENT = {
  mailbox: text("A mail is on its way to {email}: follow its link, and it becomes yours here."),
  terminal: text("This server sends no mail yet: the link is shown on its terminal."),
  nowhere: text("This server sends no mail: ask an administrator."),
};

/** The page of one's own account: who one is, how one signs in, and what is held of one. */
export function accountRoutes(ui: Ui) {
  return new Elysia({ name: "xcore/ui/people/account", prefix: PAGE })
    .use(ui.guards)
    .get("", ({ request }) => showAccount(ui, request), { auth: true })
    .post(
      "",
      ({ request, body: { full_name } }) =>
        ui.act(request, {
          call: (api) => api.patch("/auth/me", { full_name: full_name === "" ? null : full_name }),
          done: { text: text("Saved."), color: "success" },
          to: PAGE,
          again: (problem) => showAccount(ui, request, { form: "profile", values: { full_name }, problem }),
        }),
      { auth: true, body: t.Object({ ...Form.properties, full_name: Line }) },
    )
    .post(
      "/email",
      ({ request, body: { email } }) =>
        ui.act(request, {
          call: (api) => api.post("/auth/email", { email }),
          done: {
            text: LINK_SENT[ui.mailArrival],
            values: { email },
          },
          to: PAGE,
          again: (problem) =>
            showAccount(ui, request, { form: "email", values: { new_email: email }, problem }),
        }),
      { auth: true, body: t.Object({ ...Form.properties, email: Line }) },
    )
    .use(passwordRoutes(ui))
    .use(identityRoutes(ui))
    .use(dataRoutes(ui));
}

function passwordRoutes(ui: Ui) {
  return new Elysia({ name: "xcore/ui/people/account/password" })
    .use(ui.guards)
    .post(
      "/password",
      ({ request, body: { current_password, new_password } }) =>
        ui.act(request, {
          call: (api) =>
            api.put("/auth/password", {
              ...(current_password !== "" && { current_password }),
              new_password,
            }),
          done: { text: text("The password is set. You are signed in here alone."), color: "success" },
          to: PAGE,
          again: (problem) => showAccount(ui, request, { form: "password", problem }),
        }),
      { auth: true, body: t.Object({ ...Form.properties, current_password: Line, new_password: Line }) },
    )
    .post(
      "/password/give-up",
      ({ request, body }) =>
        ui.confirm(request, body, {
          title: text("Give your password up?"),
          detail: text("You sign in without one from then on. All of your other sessions end."),
          button: text("Give it up"),
          back: PAGE,
        }) ??
        ui.act(request, {
          call: (api) => api.delete("/auth/password", { body: {} }),
          done: { text: text("Your account has no password any more."), color: "success" },
          to: PAGE,
        }),
      { auth: true, body: Form },
    );
}

function identityRoutes(ui: Ui) {
  return new Elysia({ name: "xcore/ui/people/account/identities" }).use(ui.guards).post(
    "/identities/:id/unlink",
    ({ request, params: { id }, body }) =>
      ui.confirm(request, body, {
        title: text("Unlink this provider?"),
        detail: text("You can't sign in by it any more. Sessions that it has begun end."),
        button: text("Unlink"),
        back: PAGE,
      }) ??
      ui.act(request, {
        call: (api) => api.delete(`/auth/identities/${id}`),
        done: { text: text("The provider is unlinked."), color: "success" },
        to: PAGE,
      }),
    { auth: true, params: t.Object({ id: t.Integer({ minimum: 1 }) }), body: Form },
  );
}

function dataRoutes(ui: Ui) {
  return new Elysia({ name: "xcore/ui/people/account/data" })
    .use(ui.guards)
    .post(
      "/export",
      async ({ request }) => {
        try {
          return await ui.api(request).fetch("POST", "/auth/export", { body: {} });
        } catch (error) {
          const again = (problem: ApiProblem) => showAccount(ui, request, { form: "export", problem });
          return ui.refused(request, error, { form: PAGE, again });
        }
      },
      { auth: true, body: Form },
    )
    .post("/delete", ({ request, body }) => leave(ui, request, body), {
      auth: true,
      body: t.Object({ ...Form.properties, email: Line }),
    });
}

async function leave(
  ui: Ui,
  request: Request,
  body: { readonly email: string; readonly confirmed?: "yes" | undefined },
) {
  const { email } = body;
  const asked = ui.confirm(request, body, {
    title: text("Have your account deleted?"),
    detail: text(
      "You are signed out everywhere, and your API keys are void. Until it is deleted, in 14 days, you can sign in to keep it.",
    ),
    button: text("Delete my account"),
    back: PAGE,
  });
  if (asked !== null) return asked;
  try {
    const { deletion_at } = await ui.api(request).post<{ deletion_at: string }>("/auth/deletion", { email });
    return await ui.pageOf(
      request,
      "pages/leaving.html",
      { deletion_at, arrival: ui.mailArrival },
      { headers: { "cache-control": "no-store" } },
    );
  } catch (error) {
    const again = (problem: ApiProblem) =>
      showAccount(ui, request, { form: "delete", values: { email }, problem });
    return ui.refused(request, error, { form: PAGE, again });
  }
}

/** A form of the page that was refused, and what was in it. */
interface Refused {
  readonly form: "profile" | "email" | "password" | "export" | "delete";
  readonly values?: { readonly full_name?: string; readonly new_email?: string; readonly email?: string };
  readonly problem: ApiProblem;
}

/** What the page shows of who asks. */
interface Me {
  readonly full_name: string | null;
  readonly has_password: boolean;
}

interface List<Item> {
  readonly items: readonly Item[];
}

async function showAccount(ui: Ui, request: Request, refused?: Refused) {
  const api = ui.api(request);
  // Passkeys are for the owner alone: whoever views as them doesn't see the page.
  const passkeys = await api.get<List<object>>("/auth/passkeys", { per_page: 1 });
  const [me, providers, identities] = await Promise.all([
    api.get<Me>("/auth/me"),
    api.get<List<{ id: string; title: string }>>("/auth/providers"),
    api.get<List<{ provider: string }>>("/auth/identities", { per_page: MAX_PROVIDERS }),
  ]);
  const linked = new Set(identities.items.map(({ provider }) => provider));
  const served = providers.items.filter(({ id }) => linked.has(id));
  const data = {
    me,
    identities: identities.items,
    mail_arrival: ui.mailArrival,
    linkable: providers.items.filter(({ id }) => !linked.has(id)),
    // The API decides; this is for what the page offers.
    may_do_without: me.has_password && passkeys.items.length + served.length > 0,
    values: { full_name: me.full_name ?? "", new_email: "", email: "", ...refused?.values },
    refused: refused?.form ?? "",
  };
  return ui.form(request, "people/account.html", data, refused?.problem);
}
