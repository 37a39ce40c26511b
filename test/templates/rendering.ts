import { createRequestNames } from "../../src/templates/request-names.ts";
import { Library } from "../../src/templates/library.ts";

/** Templates by their names. */
export type Texts = Readonly<Record<string, string>>;

/** A library of these templates alone. */
export function createLibrary(
  texts: Texts,
  { filters = {}, globals = {} }: { filters?: object; globals?: object } = {},
) {
  return new Library({
    owner: "xcore",
    layers: [
      new Map(
        Object.entries(texts).map(([name, text]) => [name, { name, text, shown: `templates/${name}` }]),
      ),
    ],
    additions: { globals: new Map(Object.entries(globals)), filters: new Map(Object.entries(filters)) },
    others: () => null,
    otherComponents: () => null,
  });
}

/** Checks and renders a template, with others beside it. @throws TemplateError */
export function render(
  text: string,
  data: object = {},
  {
    isStrict = true,
    ...more
  }: { isStrict?: boolean; texts?: Texts; filters?: object; globals?: object } = {},
): string {
  const library = createLibrary({ ...more.texts, "page.html": text }, more);
  library.check();
  const template = library.find("page.html");
  if (template === null) throw new TypeError("There is no page.html");
  const request = createRequestNames(null, {
    globalsOf: () => ({}),
    appName: "xcore",
    theme: "light",
    nonce: "",
  });
  return library.render(template, data as Readonly<Record<string, unknown>>, { isStrict, request });
}
