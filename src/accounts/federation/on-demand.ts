import { eq } from "drizzle-orm";
import type { SecretKey } from "../keys/secret.ts";
import type { Entry } from "../login/login.ts";
import type { Federation, FederationOptions } from "./federation.ts";
import { findProvider, listProviders, listServing, type ListedProvider } from "./providers.ts";
import type { ProviderLogoutOptions } from "./logout.ts";

/** What is done with providers, none of which is loaded before there is one to sign in by. */
export interface Providers {
  readonly settings: FederationOptions["settings"];
  /** Lists the providers that there are. */
  list(): ListedProvider[];
  /** Lists those that an account is linked to, of those that there are. */
  listLinked(userId: number): Promise<ListedProvider[]>;
  /** @throws AppError not_found where there is no provider */
  load(): Promise<Loaded>;
  /** Returns where the browser of a session ends that of its provider too; null where there is no such place. */
  findLogout(
    sessionId: string,
    request: Request,
  ): Promise<{ readonly title: string; readonly url: URL } | null>;
  /** Returns what is to be noted of a first step that a provider's word was. @throws AppError authentication_error */
  readBegun(step: string): Promise<Omit<Entry, "hasOtp">>;
  /** Deletes what is too old. */
  purge(): Promise<void>;
}

/** What signs in by providers, and out. */
export interface Loaded {
  readonly federation: Federation;
  readonly logout: ProviderLogoutOptions;
}

export type ProvidersOptions = Omit<FederationOptions, "box" | "states"> & { readonly secretKey: SecretKey };

/** Creates what loads it. */
export function createProviders(options: ProvidersOptions): Providers {
  const { settings, store } = options;
  let loading: Promise<Loaded> | null = null;
  const load = (): Promise<Loaded> => (loading ??= loadFederation(options));
  const hasProviders = (): boolean => Object.keys(settings().auth.providers).length > 0;
  return {
    settings,
    load,
    list: () => listProviders(settings().auth),
    async listLinked(userId) {
      if (!hasProviders()) return [];
      const { identities } = store.tables;
      const { provider, issuer, user_id } = identities;
      const linked = await store.db.select({ provider, issuer }).from(identities).where(eq(user_id, userId));
      return listServing(settings().auth, linked);
    },
    readBegun: async (step) => (await load()).federation.readBegun(step),
    async findLogout(sessionId, request) {
      const { auth, publicUrl } = settings();
      if (!hasProviders()) return null;
      const [{ federation, logout }, { findProviderLogout }, { toPublicUrl }] = await Promise.all([
        load(),
        import("./logout.ts"),
        import("./flows.ts"),
      ]);
      const found = await findProviderLogout(logout, sessionId, {
        clientOf: (provider) => federation.clientOf(findProvider(auth, provider)),
        backTo: () => toPublicUrl({ publicUrl, site: options.site }, request, "/auth/login"),
      });
      return found && { title: findProvider(auth, found.provider).title, url: found.url };
    },
    async purge() {
      if (hasProviders()) await (await load()).logout.states.purge();
    },
  };
}

async function loadFederation(options: ProvidersOptions): Promise<Loaded> {
  const [made, { IdentityStates }, { SecretBox }] = await Promise.all([
    import("./federation.ts"),
    import("./states.ts"),
    import("../keys/secret-box.ts"),
  ]);
  const { secretKey, store, hooks } = options;
  const box = new SecretBox(secretKey.deriveKey("identities"));
  const states = new IdentityStates(store, box);
  return {
    federation: new made.Federation({ ...options, box, states }),
    logout: { store, hooks, states, box },
  };
}
