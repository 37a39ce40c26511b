import { closestWord } from "../../errors/suggestion.ts";
import { nonceOf } from "../../templates/page.ts";
import type { PluginTemplates, Templates } from "../../templates/templates.ts";
import type { PluginTemplates as Given } from "../../sdk/templates.ts";
import type { Scope, Undo } from "./scope.ts";

export interface PluginTemplatesOptions {
  readonly name: string;
  readonly prefix: string;
  readonly scope: Scope;
  readonly templates: Pick<Templates, "forPlugin" | "setTheme">;
  /** Its own, by their names below `templates/`. */
  readonly texts: ReadonlyMap<string, string>;
  /** Path to show of that folder. */
  readonly shownFolder: string;
  /** What the plugins that it depends on have made, by name. */
  readonly dependencies: ReadonlyMap<string, Pick<MadeTemplates, "owned">>;
}

/** The templates of one generation of a plugin, as it has them and as the host does. */
export interface MadeTemplates {
  readonly given: Given;
  /** Renders a mail of the plugin. */
  readonly renderMail: PluginTemplates["renderMail"];
  readonly owned: PluginTemplates["owned"];
  /** Notes that one of this name has to be there; `place` says who names it. */
  expect(name: string, place: string): void;
  /** Compiles them. @throws TemplateError for the first that can't be used, TypeError for one that has to be there and isn't */
  check(): Promise<void>;
}

const NAME = /^[a-z_]\w{0,63}$/i;

/** Creates the `templates` of one generation of a plugin. */
export function createPluginTemplates(options: PluginTemplatesOptions): MadeTemplates {
  const { name, prefix, scope, templates, texts, shownFolder } = options;
  const dependencies = new Map([...options.dependencies].map(([plugin, { owned }]) => [plugin, owned]));
  const globals = new Map<string, unknown>();
  const filters = new Map<string, (...args: unknown[]) => unknown>();
  const expected = new Map<string, string>();
  let isChecked = false;
  const own: PluginTemplates = templates.forPlugin(
    { name, texts, shown: shownFolder, globals, filters, dependencies },
    prefix,
  );
  const add = (kind: string, added: string): void => {
    if (!NAME.test(added))
      throw new TypeError(`Cannot add the ${kind} "${added}": expected letters, digits and "_"`);
    if (isChecked)
      throw new TypeError(
        `Cannot add the ${kind} "${added}": add it at the top level, for templates are checked as the plugin is loaded`,
      );
  };
  if (texts.size > 0) scope.register(() => own.publish());
  return {
    owned: own.owned,
    renderMail: (mail, data, language) => own.renderMail(mail, data, language),
    given: {
      render: (page, data, given) => own.render(page, data, given),
      renderText: (page, data) => own.renderText(page, data),
      nonce: nonceOf,
      setTheme(theme): Undo {
        templates.setTheme(theme)(); // a mistake must fail here, not at the takeover
        return scope.register(() => templates.setTheme(theme));
      },
      global(added, value) {
        add("global", added);
        globals.set(added, value);
      },
      filter(added, run) {
        add("filter", added);
        filters.set(added, run as (...args: unknown[]) => unknown);
      },
    },
    expect: (page, place) => void expected.set(page, place),
    async check() {
      isChecked = true;
      await own.check();
      if (expected.size > 0) assertThere(expected, await own.names());
    },
  };
}

function assertThere(expected: ReadonlyMap<string, string>, names: readonly string[]): void {
  for (const [name, place] of expected) {
    if (names.includes(name)) continue;
    const meant = closestWord(name, names);
    const hint = meant === undefined ? `write templates/${name}` : `did you mean "${meant}"?`;
    throw new TypeError(`${place} is "${name}", and the plugin has no such template: ${hint}`);
  }
}
