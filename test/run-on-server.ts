import { createConnection } from "mysql2/promise";
import postgres from "postgres";

const CONNECT_MS = 60_000; // a busy machine answers late

/** Runs statements on a server of PostgreSQL or MySQL, on a connection of their own. */
export async function runOnServer(url: string, statements: string): Promise<void> {
  if (url.startsWith("postgres")) {
    const client = postgres(url, { max: 1, connect_timeout: CONNECT_MS / 1000, onnotice: () => {} });
    await client.unsafe(statements);
    await client.end();
    return;
  }
  const connection = await createConnection({
    uri: url,
    connectTimeout: CONNECT_MS,
    multipleStatements: true,
  });
  await connection.query(statements);
  await connection.end();
}
