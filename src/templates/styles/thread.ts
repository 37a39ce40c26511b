/**
 * Runs in a thread of its own, which is bundled apart from all else (see thread-code.ts): Tailwind and daisyUI take long
 * and much memory, and are needed once.
 */
import daisyui from "daisyui";
import { compile } from "tailwindcss";
import preflight from "tailwindcss/preflight.css" with { type: "text" };
import theme from "tailwindcss/theme.css" with { type: "text" };

/** What pages of all themes need, in the layers in which Tailwind has its parts. */
const SOURCE = `@layer theme, base, components, utilities;
@import "tailwindcss/theme.css" layer(theme);
@import "tailwindcss/preflight.css" layer(base);
@layer utilities { @tailwind utilities; }
@plugin "daisyui" { themes: all; logs: false; }
/* A box that is nearly round is taken for a choice of one. */
.checkbox { border-radius: min(var(--radius-selector), 0.25rem); }`;

const PARTS: Readonly<Record<string, string>> = {
  "tailwindcss/theme.css": theme,
  "tailwindcss/preflight.css": preflight,
};

/** Compiles the stylesheet for these classes; what is no class of Tailwind's or daisyUI's has no part in it. */
async function compileStylesheet(candidates: string[]): Promise<string> {
  const compiled = await compile(SOURCE, {
    loadModule: async (_id, base) => ({ path: "daisyui", base, module: daisyui }),
    loadStylesheet: async (id, base) => ({ path: id, base, content: PARTS[id] ?? "" }),
  });
  return compiled.build(candidates);
}

addEventListener("message", ({ data }: MessageEvent<string[]>) => {
  void compileStylesheet(data).then(
    (css) => postMessage({ css }),
    (error: unknown) => postMessage({ problem: String(error) }),
  );
});
