import { toDeviceName } from "../../accounts/notices/device-names.ts";

/** Sessions, as the API lists them. */
export interface SessionList {
  readonly items: readonly { readonly user_agent: string }[];
}

/** Adds to sessions what their browsers are called: `device`, null for one that isn't known. */
export function withDevices<List extends SessionList>(list: List) {
  const items = list.items.map((session) => ({ ...session, device: toDeviceName(session.user_agent) }));
  return { ...list, items };
}
