/** What a handler is told of who asks: `user` behind `{ auth }`, `{ permission }` or `{ role }`. */
export interface User {
  readonly id: number;
  readonly email: string;
  readonly full_name: string | null;
  /** Names of the roles held, in order. */
  readonly roles: readonly string[];
  /** The administrator who asks while viewing as this user; left out where the user asks. */
  readonly viewer?: Viewer;
}

/** An administrator who views as somebody else. */
export interface Viewer {
  readonly id: number;
  readonly email: string;
}

/** Permissions that somebody holds, wildcards applied. */
export interface Permissions {
  /** As granted, wildcards and all, in order: "invoices:*". */
  readonly granted: readonly string[];
  /** Whether the permission is among them, such as "invoices:read". */
  has(permission: string): boolean;
}

/** Which pages somebody wants to see; null for what they haven't chosen. */
export interface Preferences {
  readonly language: string | null;
  readonly theme: string | null;
}

/** Who a request comes from, and what they may do. */
export interface Principal {
  readonly user: User;
  /** @default nothing is chosen */
  readonly preferences?: Preferences;
  readonly permissions: Permissions;
  /** Whether a role asks for two factors and only one was given: then only `{ auth }` lets it through. */
  readonly lacksOtp: boolean;
  /** The session of an access token; null for an API key. */
  readonly sessionId: string | null;
  /** Null for an access token. */
  readonly apiKeyId: number | null;
  /** The administrator who views as `user`, with the session of their own. @default null */
  readonly viewer?: (Viewer & { readonly sessionId: string }) | null;
  /** When what was presented expires, in ms since the epoch; Infinity for never. */
  readonly expiresAt: number;
}

/** Roles and permissions of one account, as src/accounts/rights reads them from the database. */
export interface Access {
  readonly roles: readonly string[];
  readonly permissions: Permissions;
  /** Whether one of the roles asks for two factors. */
  readonly requiresOtp: boolean;
  readonly preferences: Preferences;
}

/** Where a request comes from, for limits, sessions and the audit log. */
export interface Origin {
  /** Address of the client, "" when it isn't known. */
  readonly ipAddress: string;
  /** At most 255 characters. */
  readonly userAgent: string;
  /** What it asks for, such as "fr", for mails. @default it doesn't say */
  readonly language?: string;
  /** By what the browser shows that accounts were logged in to with it: see `accounts/notices`. @default nothing */
  readonly devices?: string;
}
