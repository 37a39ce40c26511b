import { Elysia, t } from "elysia";
import { toOwnPath } from "../../accounts/browser/navigation.ts";
import { Form, type Ui } from "./pages.ts";
import { text } from "./words.ts";

/** Keeps the language and the theme that somebody chooses in their menu. */
export function preferenceRoutes(ui: Ui) {
  return new Elysia({ name: "xcore/ui/preferences" }).use(ui.guards).post(
    "/ui/preferences",
    ({ request, body: { next, language, theme } }) =>
      ui.act(request, {
        call: (api) => api.patch("/auth/me", { ...(language && { language }), ...(theme && { theme }) }),
        // The pages of plugins show no messages.
        done: isOfUi(toOwnPath(next)) ? { text: text("Saved."), color: "success" } : null,
        to: toOwnPath(next),
      }),
    {
      auth: true,
      body: t.Composite([
        Form,
        t.Object({
          next: t.String({ default: "/ui", maxLength: 2048 }),
          language: t.Optional(t.String({ maxLength: 16 })),
          theme: t.Optional(t.String({ maxLength: 32 })),
        }),
      ]),
    },
  );
}

function isOfUi(path: string): boolean {
  return /^\/ui(?:[/?]|$)/.test(path);
}
