import htmx from "htmx.org/dist/htmx.min.js" with { type: "file" };
import csp from "htmx.org/dist/ext/hx-csp.min.js" with { type: "file" };
import sse from "htmx.org/dist/ext/hx-sse.min.js" with { type: "file" };
import uplot from "uplot/dist/uPlot.iife.min.js" with { type: "file" };
import uplotStyle from "uplot/dist/uPlot.min.css" with { type: "file" };
import dashboard from "../../../templates/ui/dashboard.js" with { type: "file" };
import sums from "../../../templates/ui/sums.js" with { type: "file" };
import own from "../../../templates/ui/xcore.js" with { type: "file" };
import records from "../../../templates/ui/records.js" with { type: "file" };
import { fail } from "../../errors/codes.ts";
import { Content, readAsset } from "../../web/content/content.ts";

/** What pages load, in this order: as one file, for a browser asks for one sooner than for four. */
const PARTS: Readonly<Record<string, readonly string[]>> = {
  "ui.js": [htmx, csp, sse, own, records],
  "dashboard.js": [uplot, dashboard],
  "sums.js": [uplot, sums],
  "dashboard.css": [uplotStyle],
};
const IMMUTABLE = "public, max-age=31536000, immutable";

/** The scripts of the interface, each at an address that names what is in it, so that browsers keep it. */
export interface Scripts {
  /** Returns the path of one, such as "/static/xcore/3k9x/ui.js". */
  pathOf(name: string): string;
  /** Answers with one. @throws AppError not_found */
  answer(params: { readonly hash: string; readonly file: string }, request: Request): Response;
}

/** Reads the scripts, which build.ts has put into the executable. */
export async function loadScripts(): Promise<Scripts> {
  const made = new Map<string, Content>();
  for (const [name, parts] of Object.entries(PARTS)) {
    // oxlint-disable-next-line no-await-in-loop -- a few of them
    const texts = await Promise.all(parts.map(readAsset));
    const type = name.endsWith(".css") ? "text/css;charset=utf-8" : "text/javascript;charset=utf-8";
    made.set(name, new Content(texts.join("\n"), { "content-type": type, "cache-control": IMMUTABLE }));
  }
  return {
    pathOf: (name) => `/static/xcore/${made.get(name)?.version ?? ""}/${name}`,
    answer({ hash, file }, request) {
      const script = made.get(file);
      if (script?.version !== hash) throw fail("not_found", "Nothing is served at this path");
      return script.answer(request);
    },
  };
}
