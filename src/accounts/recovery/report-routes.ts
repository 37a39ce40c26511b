import { Value } from "@sinclair/typebox/value";
import { Elysia, t } from "elysia";
import type { AppError } from "../../errors/errors.ts";
import { isForm } from "../../web/clients/site.ts";
import { isNavigation } from "../browser/navigation.ts";
import { fail } from "../identity/error-codes.ts";
import { readField, toProblem } from "../links/pages.ts";
import { toGonePage, toReportedPage, toReportPage } from "./pages.ts";
import { readReport, reportChange } from "./reports.ts";
import type { RecoveryRoutesOptions } from "./routes.ts";
import type { TakingBack } from "./taking-back.ts";

const ReportBody = t.Object({
  token: t.String({ minLength: 1, maxLength: 256, description: "Of the link" }),
});

export interface ReportRoutesOptions extends Pick<
  RecoveryRoutesOptions,
  "recovery" | "afterwork" | "originOf" | "templates" | "mailArrival"
> {
  readonly reports: TakingBack;
}

/** Serves what the owner of an account says of a notice: that it wasn't them. Opening the link changes nothing. */
export function reportRoutes(options: ReportRoutesOptions) {
  return new Elysia({ name: "xcore/reports", prefix: "/auth/report", detail: { tags: ["auth"] } })
    .onBeforeHandle(({ set }) => {
      set.headers["cache-control"] = "no-store";
    })
    .get("", ({ query, request }) => showReport(options, request, query.token), {
      query: t.Object({ token: t.String({ default: "", maxLength: 256 }) }),
      detail: { summary: "Page of the link of a notice", hide: true },
    })
    .post(
      "",
      ({ body, request, status }) => report(options, request, body.token, () => status(204, undefined)),
      {
        // The schema would come next, and answer a browser in JSON.
        transform: async ({ body, request }) => {
          if (!isForm(request) || Value.Check(ReportBody, body)) return;
          const problem = fail("validation_error", "Open the link as it was sent");
          // oxlint-disable-next-line typescript/only-throw-error -- an answer, not an error
          throw await showReport(options, request, readField(body, "token"), problem);
        },
        body: ReportBody,
        response: { 204: t.Void() },
        detail: {
          summary:
            "Say that it wasn't the owner of an account who did what a notice tells, by the token of its link",
          description:
            "Ends all sessions and the API keys, devices and passkeys that were made since, locks the account until another " +
            "password is set by mail, and sends the link for that.",
        },
      },
    );
}

async function showReport(
  { reports, templates }: ReportRoutesOptions,
  request: Request,
  token: string,
  problem: AppError | null = null,
): Promise<Response> {
  const context = { templates, request };
  try {
    return await toReportPage(context, { token, ...(await readReport(reports, token)), problem });
  } catch (error) {
    if (!isForm(request) && !isNavigation(request)) throw error;
    return toGonePage(context, toProblem(error));
  }
}

async function report<Done>(
  { reports, recovery, afterwork, originOf, templates, mailArrival }: ReportRoutesOptions,
  request: Request,
  token: string,
  toDone: () => Done,
) {
  const context = { templates, request };
  try {
    const origin = originOf(request);
    const { email, isActive } = await reportChange(reports, token, origin);
    if (isActive) afterwork.add("a link for a new password", () => recovery.send(email, origin));
    const arrival = isActive ? mailArrival() : "inactive";
    return isForm(request) ? await toReportedPage(context, email, arrival) : toDone();
  } catch (error) {
    if (!isForm(request)) throw error;
    return toGonePage(context, toProblem(error));
  }
}
