import setupDonePage from "../../../templates/pages/setup-done.html" with { type: "text" };
import setupPage from "../../../templates/pages/setup.html" with { type: "text" };
import { fillPage } from "../../web/pages.ts";

// Bun's types take every .html import for a bundle; with type "text" it is a string.
const SETUP_PAGE = setupPage as unknown as string;
const SETUP_DONE_PAGE = setupDonePage as unknown as string;

/** What the form is filled with, and what was wrong with it. */
export interface SetupForm {
  readonly token: string;
  readonly email?: string;
  readonly full_name?: string;
  readonly problem?: string;
}

/** Answers with the form that makes the first administrator. */
export function toSetupPage(appName: string, form: SetupForm, status = 200): Response {
  return toPage(SETUP_PAGE, { app_name: appName, ...form }, status);
}

/** Answers that the first administrator is made. */
export function toSetupDonePage(appName: string, email: string): Response {
  return toPage(SETUP_DONE_PAGE, { app_name: appName, email }, 201);
}

function toPage(page: string, values: Readonly<Record<string, string>>, status: number): Response {
  const [, style = ""] = /<style>([^]*?)<\/style>/.exec(page) ?? [];
  const hash = new Bun.CryptoHasher("sha256").update(style).digest("base64");
  return new Response(fillPage(page, values), {
    status,
    headers: {
      "content-type": "text/html;charset=utf-8",
      // No script at all, and no other origin.
      "content-security-policy":
        `default-src 'none'; style-src 'sha256-${hash}'; img-src data:; form-action 'self'; ` +
        "base-uri 'none'; frame-ancestors 'none'",
      "x-frame-options": "DENY",
      // The token is in the address.
      "referrer-policy": "no-referrer",
      "cache-control": "no-store",
    },
  });
}
