import type { DatabaseUrl } from "../contract/database-url.ts";
import { MysqlDump } from "./mysql-dump.ts";
import { PostgresDump } from "./postgres-dump.ts";
import type { Environment } from "./programs.ts";
import { SqliteDump } from "./sqlite-dump.ts";
import type { DumpFormat } from "./dump-format.ts";

/** Returns how the database is dumped and restored. */
export function createDump(url: DatabaseUrl, env: Environment): DumpFormat {
  if (url.dialect === "sqlite") return new SqliteDump(url);
  const Dump = url.dialect === "postgres" ? PostgresDump : MysqlDump;
  return new Dump(url, env);
}
