import { redirectRefused, toOwnPath, withNext, LOGIN_PATH } from "../../accounts/browser/navigation.ts";
import type { Problem } from "../../errors/problem.ts";
import { ApiProblem } from "./api.ts";
import type { Ui } from "./pages.ts";

/** htmx puts it there, and not into the part of the page that it has asked for. */
const IN_PLACE_OF_PAGE = { "hx-retarget": "#main", "hx-reselect": "#main", "hx-reswap": "outerHTML" };

/** Answers with problem details, or leads on: the one place where errors become answers. */
type AnswerError = (error: unknown, request: Request) => Response | undefined;

/**
 * Creates what answers a request for a page that has failed: with a page that says why, or by leading to the login.
 * What asks for no page, such as a script, gets problem details.
 */
export function createProblemPages(ui: Ui, answerError: AnswerError) {
  return async ({ error, request }: { error: unknown; request: Request }): Promise<unknown> => {
    // The API has logged it when it answered.
    const answer =
      error instanceof ApiProblem ? redirectRefused(error, request) : answerError(error, request);
    if (answer !== null && (answer === undefined || answer.status < 400)) return answer;
    const problem = error instanceof ApiProblem ? error.problem : ((await answer?.json()) as Problem);
    if (!asksForPage(request)) return answer === null ? toJson(problem) : toJson(problem, answer);
    const isHtmx = request.headers.has("hx-request");
    if (isHtmx && problem.code === "authentication_error") return toLogin(request);
    const page = await ui.problem(request, problem, {
      status: problem.status,
      headers: isHtmx && isFinal(problem) ? IN_PLACE_OF_PAGE : {},
    });
    return page.toResponse(request);
  };
}

/** Whether a part of a page can't be had: what fails for a while leaves the page as it is. */
function isFinal({ status }: Problem): boolean {
  return status < 500 && status !== 429;
}

function asksForPage({ headers }: Request): boolean {
  return headers.has("hx-request") || headers.get("accept")?.includes("text/html") === true;
}

/** htmx leads the browser there. */
function toLogin(request: Request): Response {
  const from = URL.parse(request.headers.get("hx-current-url") ?? "");
  const next = toOwnPath(from === null ? "/ui" : from.pathname + from.search);
  return new Response(null, { status: 401, headers: { "hx-redirect": withNext(LOGIN_PATH, next) } });
}

function toJson(problem: Problem, { headers }: Pick<Response, "headers"> = new Response()): Response {
  const all = new Headers(headers);
  all.set("content-type", "application/problem+json");
  return new Response(JSON.stringify(problem), { status: problem.status, headers: all });
}
