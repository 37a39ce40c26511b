import { describeExpectation } from "../../src/config/expectation.ts";
import { formatKeyPath } from "../../src/config/json/values.ts";
import { type ConfigKey, configKeys } from "../../src/config/schema-node.ts";

/** The table of `docs/configuration.md`: every key with what it accepts, its default and what it does. */
export function toConfigKeyTable(): string {
  return ["| key | value | default | what it does |", "|---|---|---|---|", ...configKeys().map(toRow)].join(
    "\n",
  );
}

function toRow({ path, node }: ConfigKey): string {
  const value = node.items
    ? `an array, each item ${describeExpectation(node.items)}`
    : describeExpectation(node);
  const initial = node.default === undefined ? "" : `\`${JSON.stringify(node.default)}\``;
  const cells = [`\`${formatKeyPath(path)}\``, value, initial, node.description ?? ""];
  return `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
}
