import { spawnSync } from "node:child_process";
import { chmodSync, chownSync } from "node:fs";
import { join } from "node:path";
import { sql } from "drizzle-orm";
import { expect } from "bun:test";
import { findIdentity } from "../database-keeper.ts";
import { testWithServer } from "../database-servers.ts";
import { openLogged, SERVERS } from "../faults/ledger.ts";
import { PrivateServer } from "../faults/private-server.ts";
import { TestFolder } from "../setup.ts";
import { failureOf } from "./failures.ts";

/** A certificate of "localhost", signed by itself. */
function makeCertificate(folder: string): { readonly certificate: string; readonly key: string } {
  const [certificate, key] = [join(folder, "server.crt"), join(folder, "server.key")];
  const named = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"];
  const files = ["-out", certificate, "-keyout", key];
  const made = spawnSync("openssl", ["req", "-new", "-x509", "-nodes", "-days", "2", ...named, ...files]);
  if (made.status !== 0)
    throw new Error(`Cannot make a certificate: ${made.error?.message ?? String(made.stderr)}`);
  return { certificate, key };
}

for (const dialect of SERVERS) {
  testWithServer(dialect, `connections are encrypted as sslmode says (${dialect})`, 120_000, async () => {
    await using folder = await TestFolder.create();
    const { certificate, key } = makeCertificate(folder.path);
    const { uid, gid = uid } = findIdentity();
    chmodSync(folder.path, 0o711);
    chmodSync(key, 0o600);
    if (uid !== undefined) chownSync(key, uid, gid ?? uid);
    const settings: Record<string, string> =
      dialect === "postgres"
        ? { ssl: "on", ssl_cert_file: certificate, ssl_key_file: key }
        : { "ssl-cert": certificate, "ssl-key": key };
    await using server = await PrivateServer.start(dialect, { settings });
    const url = server.url.replace("127.0.0.1", "localhost");
    for (const options of ["sslmode=require", `sslmode=verify-full&sslrootcert=${certificate}`]) {
      // oxlint-disable-next-line no-await-in-loop -- one after another
      const { driver } = await openLogged(`${url}?${options}`);
      const query =
        dialect === "postgres"
          ? sql`select cipher as cipher from pg_stat_ssl where pid = pg_backend_pid()`
          : sql`select variable_value as cipher from information_schema.session_status where variable_name = 'Ssl_cipher'`;
      // oxlint-disable-next-line no-await-in-loop
      expect(await driver.toDatabase({}).execute(query)).toEqual([
        { cipher: expect.stringMatching(/^TLS_/) },
      ]);
      // oxlint-disable-next-line no-await-in-loop
      await driver.close();
    }
    const unknown = await failureOf(openLogged(`${url}?sslmode=verify-full`));
    expect(unknown).toMatchObject({ fault: "credentials", message: expect.stringMatching(/"sslrootcert"/) });
  });
}
