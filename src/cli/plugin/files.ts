import helloManifest from "../../../plugins/hello/plugin.json" with { type: "text" };
import helloRun from "../../../plugins/hello/run.ts" with { type: "text" };
// @ts-expect-error -- a text, not the module
// oxlint-disable-next-line import/default
import helloTest from "../../../plugins/hello/hello.test.ts" with { type: "text" };

/** The files of a minimal plugin with its test, after the example `plugins/hello`: names and texts. */
export function toPluginFiles(name: string): [file: string, text: string][] {
  const title = name.replaceAll("_", " ").replace(/^./, (first) => first.toUpperCase());
  // They are texts; TypeScript takes them for what the files hold.
  const rename = (text: unknown): string =>
    name === "hello"
      ? String(text)
      : String(text)
          .replaceAll(/"(\/?)hello"/g, `"$1${name}"`)
          .replaceAll("My Plugin", title);
  return [
    ["plugin.json", rename(helloManifest)],
    ["run.ts", rename(helloRun)],
    [`${name}.test.ts`, rename(helloTest)],
  ];
}
