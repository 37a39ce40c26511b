import type { AnyElysia } from "elysia";
import type { Table } from "drizzle-orm";
import type { User } from "../accounts/identity/principal.ts";
import type { ResourceOptions } from "../resources/definition/options.ts";

export type {
  Asker,
  CheckInput,
  FieldAccess,
  FieldMessages,
  FieldRule,
  HistoryOptions,
  NumberingOptions,
  ResourceOptions,
  RowRule,
  TransitionOptions,
  WorkflowOptions,
} from "../resources/definition/options.ts";
export type { RowCreated, RowDeleted, RowUpdated, RowWriting } from "../resources/writing/events.ts";

/** Makes a table an API. */
export interface MakeResource {
  /** One that everybody may read, or write as well: `user` may be null in its rules. */
  <T extends Table>(
    table: T,
    options: ResourceOptions<T, User | null> & ({ readonly permission: null } | { readonly public: true }),
  ): AnyElysia;
  <T extends Table>(table: T, options?: ResourceOptions<T>): AnyElysia;
}
