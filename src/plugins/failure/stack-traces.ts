import { resolve } from "node:path";
import { originalPositionFor, TraceMap } from "@jridgewell/trace-mapping";

interface BundleMap {
  /** Source map (ECMA-426) as JSON, decoded when it is first needed. */
  readonly json: string;
  /** Returns what to show for a file of the plugin, which is named by its absolute path. */
  readonly show: (file: string) => string;
  decoded?: TraceMap;
}

export interface SourcePosition {
  /** Path to show, such as "plugins/blog/run.ts". */
  readonly file: string;
  readonly line: number;
}

const FRAME = /plugin-bundle:([a-z0-9_]+@\d+)\.js:(\d+):(\d+)/g;

/**
 * Leads the stack traces of plugins, whose frames point into bundles, back to their sources. Maps are held
 * for as long as a generation lives.
 */
export class StackTraces {
  readonly #maps = new Map<string, BundleMap>();

  /** Name under which a bundle is evaluated, which its frames then carry. */
  static scriptName(generation: string): string {
    return `plugin-bundle:${generation}.js`;
  }

  /** @param generation such as "blog@3" */
  add(generation: string, map: BundleMap): void {
    this.#maps.set(generation, map);
  }

  delete(generation: string): void {
    this.#maps.delete(generation);
  }

  /** Returns a stack trace with the plugins' own files and lines. */
  map(stack: string): string {
    return stack.replace(FRAME, (frame, generation: string, line: string, column: string) => {
      const position = this.#find(generation, Number(line), Number(column));
      return position === null ? frame : `${position.file}:${position.line}:${position.column}`;
    });
  }

  /** Returns the topmost frame of an error that lies in a plugin's source. */
  locate(error: unknown): SourcePosition | null {
    const stack = error instanceof Error ? String(error.stack) : "";
    // The message in front may name other places.
    const frames = stack.slice(Math.max(0, stack.indexOf("\n    at ")));
    for (const [, generation = "", line, column] of frames.matchAll(FRAME)) {
      const position = this.#find(generation, Number(line), Number(column));
      if (position !== null) return position;
    }
    return null;
  }

  /** Says where in a plugin's source an error was made, such as "plugins/blog/run.ts:3"; null for elsewhere. */
  placeOf(error: Error): string | null {
    const position = this.locate(error);
    return position === null ? null : `${position.file}:${position.line}`;
  }

  /** Returns whose code an error was thrown in, null for none. */
  throwerOf(error: unknown): { readonly plugin: string; readonly generation: number } | null {
    const [found] = error instanceof Error ? String(error.stack).matchAll(FRAME) : [];
    const [plugin, number] = found?.[1]?.split("@") ?? [];
    return plugin === undefined ? null : { plugin, generation: Number(number) };
  }

  #find(generation: string, line: number, column: number): (SourcePosition & { column: number }) | null {
    const map = this.#maps.get(generation);
    if (map === undefined || line < 1) return null;
    map.decoded ??= new TraceMap(map.json);
    // Stack traces count columns from 1, source maps from 0.
    const found = originalPositionFor(map.decoded, { line, column: Math.max(0, column - 1) });
    if (found.source === null) return null;
    return { file: map.show(toSourceFile(found.source)), line: found.line, column: found.column + 1 };
  }
}

/** Returns the absolute path of a file as Bun names it in maps and metafiles: relative to where it runs. */
export function toSourceFile(name: string): string {
  return resolve(process.cwd(), name);
}
