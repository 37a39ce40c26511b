const MAX_REASON = 500; // characters

/**
 * Returns the lines with which Bun says what is wrong; "" for no output.
 *
 * @param unmarked line to take where none says that it is an error: `bun info` begins with the reason, others end so
 */
export function toBunReason(output: string, unmarked: "first" | "last" = "last"): string {
  const lines = withoutCredentials(output)
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");
  const marked = lines.filter(
    (line) => /^(error|note|\w*Error):/.test(line) && !line.includes("try re-running"),
  );
  const told = marked.map((line) => line.replace(/^(error|note): /, ""));
  if (told.length === 0) told.push(lines.at(unmarked === "first" ? 0 : -1) ?? "");
  return [...new Set(told)].join(", ").slice(0, MAX_REASON);
}

/** Takes the credentials out of the URLs in what Bun prints. */
export function withoutCredentials(text: string): string {
  return text.replaceAll(/\/\/[^/@\s]+@/g, "//");
}
