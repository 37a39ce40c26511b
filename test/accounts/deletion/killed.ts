/** Deletes what is due in the database of its argument, and is killed once plugins have done their part. */
import { sql } from "drizzle-orm";
import { openCoreStore } from "../../../src/accounts/people/store.ts";
import { parseDatabaseUrl } from "../../../src/db/contract/database-url.ts";
import { openDatabase } from "../../../src/db/open.ts";
import { createHookBus } from "../../../src/hooks/bus.ts";
import { Clock, silent } from "../factor-accounts.ts";
import { createDeletions } from "./services.ts";

const driver = await openDatabase({
  url: parseDatabaseUrl(process.argv[2] ?? "", process.cwd()),
  poolSize: 1,
  waitTimeoutMs: 5000,
  echo: false,
  log: silent,
});
const store = openCoreStore(driver);
const hooks = createHookBus({ onError() {} });
hooks.on("user.deleting", async () => {
  await store.db.execute(sql`delete from notes`);
  process.kill(process.pid, "SIGKILL");
});
await createDeletions(store, new Clock(), hooks).deletions.deleteDue(new AbortController().signal);
