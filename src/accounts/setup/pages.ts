import setupDonePage from "../../../templates/pages/setup-done.html" with { type: "text" };
import setupPage from "../../../templates/pages/setup.html" with { type: "text" };
import { toAccountPage } from "../../web/pages.ts";

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
  return toAccountPage({
    app_name: appName,
    title: "First administrator",
    body: SETUP_PAGE,
    values: { ...form },
    status,
  });
}

/** Answers that the first administrator is made. */
export function toSetupDonePage(appName: string, email: string, isSignedIn: boolean): Response {
  return toAccountPage({
    app_name: appName,
    title: `${appName} is ready`,
    body: SETUP_DONE_PAGE,
    values: { email, signed_in: isSignedIn ? ", and signed in here" : "" },
    status: 201,
  });
}
