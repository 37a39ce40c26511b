/**
 * The data of each known event, by name. A plugin adds its own, and `on()` and `emit()` are typed from then on:
 *
 * @example
 * declare module "xcore" {
 *   interface HookEvents { "invoice.created": Invoice }
 * }
 */
export interface HookEvents {
  /** The server answers. */
  "server.started": { url: string; version: string };
  /** The server has been asked to stop and still answers what it has begun. */
  "server.stopping": { reason: string };
  /** A plugin serves for the first time. */
  "plugin.loaded": PluginLoad;
  /** A new generation of a plugin has taken over. */
  "plugin.reloaded": PluginLoad;
  /** A plugin, or its new generation, could not be loaded. */
  "plugin.failed": PluginFailure;
  /** A plugin serves no more. */
  "plugin.unloaded": { name: string; version: string; reason: "disabled" | "removed" | "stopped" };
  /** Somebody has made an account, which opens once the handlers have run; one of order "before" may cancel it. */
  "user.registered": { user: UserIdentity; ip_address: string; user_agent: string };
  /** Somebody has given all that a login takes; a handler of order "before" may cancel it. */
  "user.login": UserLogin;
  /** A login was refused. */
  "user.login_failed": LoginFailure;
  /** Somebody has ended the session that they asked with. */
  "user.logout": { user: { id: number; email: string }; session_id: string; ip_address: string };
  /** Somebody asks for all that is held of them: each plugin returns what it has, as JSON can hold it. */
  "user.exporting": { user: UserIdentity };
  /**
   * An account is to be deleted, as its owner wants: at the request, and 14 days later. A handler of order "before" may cancel it
   * with a reason. In the "final" phase all that handlers do with the database is one transaction with the deletion.
   */
  "user.deleting": { user: UserIdentity; phase: "request" | "final"; deletion_at: string };
  /** An account is deleted, as its owner wanted. */
  "user.deleted": { user: { id: number } };
  /** An administrator has begun to view as somebody else. */
  "user.impersonated": Impersonation & { expires_at: string; ip_address: string };
  /** They view as them no more. One that ends by its time is told of when its administrator comes back, or never. */
  "user.impersonation_ended": Impersonation;
  /** There is a new role. */
  "role.created": RoleChange;
  /** A role, or what it grants, has changed. */
  "role.updated": RoleChange;
  /** A role is gone, and nobody holds it any more. */
  "role.deleted": RoleChange;
  /** A user has been given a role. */
  "role.assigned": RoleHolding;
  /** A role has been taken from a user. */
  "role.removed": RoleHolding;
  /** A background job is done. */
  "job.completed": JobCompletion;
  /** A try of a background job has failed, or the job was set aside. */
  "job.failed": JobFailure;
  /** The server of `mail.url` has taken a mail. */
  "mail.sent": MailDelivery;
  /** A mail isn't sent, or nobody knows whether it was. */
  "mail.failed": MailDelivery & { message: string; may_be_sent: boolean };
}

/** Who an account belongs to. */
export interface UserIdentity {
  id: number;
  email: string;
  full_name: string | null;
}

/** Who is viewed as, and the administrator who does. */
export interface Impersonation {
  user: { id: number; email: string };
  viewer: { id: number; email: string };
}

/** A login that has nothing against it. */
export interface UserLogin {
  user: UserIdentity;
  /** Of the session that begins. */
  session_id: string;
  /** Whether a second factor was given. */
  has_otp: boolean;
  ip_address: string;
  user_agent: string;
}

/** A login that was refused. */
export interface LoginFailure {
  /** What was tried; null for text that isn't an email. */
  email: string | null;
  /** Null when nobody has the email. */
  user_id: number | null;
  reason: "unknown_email" | "wrong_password" | "wrong_code" | "inactive" | "locked";
  ip_address: string;
  user_agent: string;
}

/** A generation of a plugin that has begun to serve. */
export interface PluginLoad {
  name: string;
  version: string;
  /** 1 for the first, one more with each reload. */
  generation: number;
  /** Hash of the content that was loaded. */
  hash: string;
  load_ms: number;
}

/** Why a plugin could not be loaded, in terms of its own sources. */
export interface PluginFailure {
  name: string;
  /** Where in its life it failed, such as "manifest" or "setup". */
  stage: string;
  message: string;
  file: string | null;
  line: number | null;
  /** Whether the last good generation still serves. */
  serving: boolean;
}

/** A role, as it is after the change. */
export interface RoleChange {
  id: number;
  name: string;
  /** What it grants: "invoices:read", "invoices:*" or "*". */
  permissions: string[];
  /** Who did it; null for the command line. */
  actor_id: number | null;
}

/** A role and somebody who holds it, or did. */
export interface RoleHolding {
  role_id: number;
  role: string;
  user_id: number;
  email: string;
  /** Who did it; null for the command line. */
  actor_id: number | null;
}

/** A try of a background job. */
export interface JobTry {
  id: string;
  name: string;
  /** Whose job it is. */
  plugin: string;
  /** Which try it was, from 1. */
  attempt: number;
}

/** A background job that is done. */
export interface JobCompletion extends JobTry {
  duration_ms: number;
}

/** A try of a background job that has failed. */
export interface JobFailure extends JobTry {
  message: string;
  /** Whether it is tried again; otherwise it is dead, or set aside. */
  will_retry: boolean;
}

/** A mail, without what it says. */
export interface MailDelivery {
  id: string;
  /** Whose mail it is; "core" for the core's own. */
  plugin: string;
  template: string;
  to: string;
  subject: string;
}

/** A known event name, or any other. */
export type HookName = keyof HookEvents | (string & Record<never, never>);

/** The data of the event with that name; unknown for names that nobody declared and for wildcards. */
export type HookData<Name extends string> = Name extends keyof HookEvents ? HookEvents[Name] : unknown;
