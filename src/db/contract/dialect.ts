/** The databases that xcore runs on; also the names of the folders below `drizzle/`. */
export const DIALECTS = ["sqlite", "postgres", "mysql"] as const;

/** A family of databases with one SQL: MariaDB speaks MySQL's. */
export type Dialect = (typeof DIALECTS)[number];
