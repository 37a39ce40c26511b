import { Elysia } from "elysia";
import type { Guards } from "../accounts/identity/guards.ts";
import type { Templates } from "../templates/templates.ts";

const FOLDER = "components/";
const DESCRIPTION = /^\s*\{#\s*([^]*?)\s*#\}/;
const PARAMETERS = /\{% props\s+([^]*?)\s*%\}/;
/** Parts of a list of parameters that commas don't end: texts, and what stands in brackets. */
const PART = /(?:"[^"]*"|'[^']*'|\[[^\]]*\]|\{[^}]*\}|[^,"'[{])+/g;

/** A component as its page shows it. */
interface Shown {
  readonly name: string;
  readonly description: string;
  readonly parameters: readonly { readonly name: string; readonly fallback: string | null }[];
  readonly source: string;
  /** Name of the template that shows it; null where there is none. */
  readonly example: string | null;
  readonly usage: string;
}

/** Serves a page that shows each component of xcore and of the project, with its parameters and source. */
export function componentRoutes({
  templates,
  guards,
}: {
  readonly templates: Templates;
  readonly guards: Guards;
}) {
  return new Elysia({ name: "xcore/components", prefix: "/ui/components", detail: { hide: true } })
    .use(guards)
    .get(
      "",
      async () => templates.render("ui/components.html", { components: await listComponents(templates) }),
      {
        permission: "plugins:read",
      },
    );
}

async function listComponents(templates: Templates): Promise<Shown[]> {
  const { core } = await templates.stock();
  const texts = new Map(core.sources.map(({ name, text }) => [name, text]));
  return [...texts]
    .filter(([name]) => name.startsWith(FOLDER))
    .map(([file, source]) => {
      const name = file.slice(FOLDER.length).replace(/\.html$/, "");
      const example = `examples/${name}.html`;
      return {
        name,
        description: (DESCRIPTION.exec(source)?.[1] ?? "").replaceAll(/\s+/g, " "),
        parameters: readParameters(source),
        source: source.replace(DESCRIPTION, "").trim(),
        example: texts.has(example) ? example : null,
        usage: (texts.get(example) ?? "").trim(),
      };
    })
    .toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

function readParameters(source: string): Shown["parameters"] {
  const [, declared = ""] = PARAMETERS.exec(source) ?? [];
  return (declared.match(PART) ?? []).map((part) => {
    const [name = "", ...fallback] = part.split("=");
    return { name: name.trim(), fallback: fallback.length === 0 ? null : fallback.join("=").trim() };
  });
}
