/**
 * Returns what to say for a message of Bun about code that it can't read: its own words, but for a macro.
 * A macro is code that runs while other code is read: before a plugin is pinned, and without being part of its bundle.
 * Bun is told to run none.
 */
export function explainMacro(message: string): string {
  if (!message.includes("Macros are disabled")) return message;
  return 'Cannot use a macro: it would run while the plugin is read and bundled; import it without { type: "macro" }';
}
