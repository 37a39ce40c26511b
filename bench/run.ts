/** Builds the executable and runs every scenario; see README.md beside this file. */
import { join } from "node:path";

for (const file of [
  "../build.ts",
  "startup.ts",
  "reload.ts",
  "hold-ups.ts",
  "workers.ts",
  "http.ts",
  "guards.ts",
  "login.ts",
  "database.ts",
  "creates.ts",
  "jobs.ts",
  "cluster.ts",
  "lists.ts",
  "resources.ts",
  "resources-changes.ts",
  "resources-io.ts",
  "resources-search.ts",
  "cache.ts",
  "storage.ts",
  "templates.ts",
  "users.ts",
  "remote.ts",
  "peers.ts",
]) {
  console.log(`\n## ${file}\n`);
  const child = Bun.spawn([process.execPath, join(import.meta.dir, file)], {
    stdio: ["ignore", "inherit", "inherit"],
  });
  if ((await child.exited) !== 0) process.exit(1);
}
