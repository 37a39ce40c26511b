import type { Theme } from "../config/schema.ts";
import type { Page, PageOptions, TemplateData } from "../templates/templates.ts";

/** Pages of a plugin from templates; see docs/templates.md. */
export interface PluginTemplates {
  /**
   * Returns a page for a route to answer with: a template of the plugin's `templates/`, of the project's or of xcore's.
   *
   * @example createRouter().get("/", () => templates.render("list.html", { title: "Articles" }));
   * @throws AppError template_not_found
   */
  render(name: string, data?: TemplateData, options?: PageOptions): Promise<Page>;
  /**
   * Renders a text that answers no request, such as a mail.
   *
   * @throws AppError template_not_found, template_failed
   */
  renderText(name: string, data?: TemplateData): Promise<string>;
  /**
   * Returns what a script of a TSX page carries, as `csp_nonce` in templates: no other script runs.
   *
   * @example createRouter().use(html()).get("/", ({ request }) => <script nonce={templates.nonce(request)}>…</script>);
   */
  nonce(request: Request): string;
  /**
   * Sets the theme of all who have chosen none, as long as the plugin serves; returns its undo.
   *
   * @example templates.setTheme("dark");
   */
  setTheme(theme: Theme): () => void;
  /**
   * Adds a name that the plugin's templates know: a value, or a function to call. At the top level.
   *
   * @example templates.global("today", () => new Date());
   */
  global(name: string, value: unknown): void;
  /**
   * Adds a filter to the plugin's templates. At the top level.
   *
   * @example templates.filter("euros", (amount: number) => `${amount.toFixed(2)} EUR`);
   */
  filter(name: string, run: (value: never, ...args: never[]) => unknown): void;
}
