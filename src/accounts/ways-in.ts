import type { Site } from "../web/clients/site.ts";
import type { ProvidersOptions } from "./federation/on-demand.ts";
import { isServed } from "./federation/providers.ts";
import { findPartyId } from "./passkeys/relying-party.ts";
import type { WaysIn } from "./people/users.ts";

export type { WaysIn } from "./people/users.ts";

/** Creates what tells by what people can sign in without a password, as config.json is now. */
export function createWaysIn({
  site,
  settings,
}: Pick<ProvidersOptions, "settings"> & { readonly site: Pick<Site, "publicOrigin"> }): WaysIn {
  return {
    partyId: () => findPartyId(site),
    isServed: (identity) => isServed(settings().auth, identity),
  };
}
