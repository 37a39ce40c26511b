import { Database } from "bun:sqlite";
import type { Logger } from "pino";
import { setTimeout } from "node:timers/promises";
import { toDatabaseError } from "./faults.ts";
import { isBusy } from "./busy.ts";

const pauseMs = 50;

/**
 * Waits until no other process migrates this database. The lock is one of the operating system on a file
 * beside it, so that it ends with the process that holds it, however that ends.
 *
 * @returns lets go of the lock
 */
export async function lockMigrations(file: string, log: Logger): Promise<() => void> {
  const database = open(`${file}.migrating`);
  let isTold = false;
  for (;;) {
    try {
      database.run("begin exclusive");
      return () => database.close();
    } catch (thrown) {
      const error = toDatabaseError(thrown);
      if (!isBusy(error)) {
        database.close();
        throw error;
      }
    }
    if (!isTold) log.info("waiting for another process that migrates the database");
    isTold = true;
    await setTimeout(pauseMs);
  }
}

function open(file: string): Database {
  try {
    return new Database(file, { create: true, readwrite: true });
  } catch (error) {
    throw toDatabaseError(error);
  }
}
