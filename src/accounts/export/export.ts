import type { HookBus } from "../../hooks/bus.ts";
import { fail } from "../identity/error-codes.ts";
import type { ConfirmOwner, SessionOwner } from "../identity/session-owner.ts";
import { writeAudit } from "../people/audit.ts";
import type { CoreStore } from "../people/store.ts";
import { findAccount } from "../people/users.ts";
import { listContents, type Section } from "./contents.ts";
import { collectFromPlugins, type PluginContents } from "./plugins.ts";

export interface ExportOptions {
  readonly store: CoreStore;
  readonly hooks: HookBus;
  readonly confirmOwner: ConfirmOwner;
}

/**
 * Returns all that is held of somebody as JSON, piece by piece (GDPR, article 20): the core's own, without secrets, and what plugins
 * have. It is not held in memory, but for what plugins say.
 *
 * @throws AppError what `ConfirmOwner` throws
 */
export async function exportAccount(
  { store, hooks, confirmOwner }: ExportOptions,
  owner: SessionOwner,
  password: string | undefined,
): Promise<AsyncGenerator<string>> {
  const { user, origin } = owner;
  const action = "user.exported";
  await confirmOwner(owner, { password, action });
  const account = await findAccount(store, user.id);
  if (account === null) throw fail("not_found", "The account is gone");
  const [sections, plugins] = [await listContents(store, account), await collectFromPlugins(hooks, account)];
  const target = { type: "user", id: user.id };
  await writeAudit(store.db, store.tables, { action, actor: account, target, origin });
  return write(sections, plugins);
}

async function* write(
  sections: readonly Section[],
  { parts, missing }: PluginContents,
): AsyncGenerator<string> {
  yield `{"exported_at":${JSON.stringify(new Date())}`;
  for (const [name, held] of sections) {
    yield `,\n"${name}":`;
    if ("value" in held) yield JSON.stringify(held.value);
    else yield* writeRows(held.rows());
  }
  yield `,\n"plugins":{`;
  let separator = "";
  for (const [plugin, json] of parts) {
    yield `${separator}${JSON.stringify(plugin)}:${json}`;
    separator = ",\n";
  }
  yield `},\n"missing":${JSON.stringify(missing)}}\n`;
}

async function* writeRows(pieces: AsyncIterable<readonly object[]>): AsyncGenerator<string> {
  yield "[";
  let separator = "";
  for await (const rows of pieces) {
    yield separator + rows.map((row) => JSON.stringify(row)).join(",\n");
    separator = ",\n";
  }
  yield "]";
}
