/** Where the database is, as `database.url` says. */
export type DatabaseUrl = SqliteUrl | ServerUrl;

export interface SqliteUrl {
  readonly dialect: "sqlite";
  /** Absolute path. */
  readonly file: string;
  /** The URL as it may be shown. */
  readonly shown: string;
}

export interface ServerUrl {
  readonly dialect: "postgres" | "mysql";
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly database: string;
  /** Options after the "?", such as `sslmode`. */
  readonly options: Readonly<Record<string, string>>;
  /** The URL as it may be shown: without the password and the options. */
  readonly shown: string;
}
