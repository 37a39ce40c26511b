import { Elysia, t } from "elysia";
import { listOf, page, type PageQuery } from "../../db/paging/paginate.ts";
import type { Site } from "../../web/clients/site.ts";
import type { Guards } from "../identity/guards.ts";
import type { Origin } from "../identity/principal.ts";
import type { Principals } from "../identity/principals.ts";
import {
  type Attempts,
  BY_SESSION,
  type ConfirmOwner,
  FRESH_PASSWORD,
  type SessionOwner,
  toSessionOwner,
} from "../identity/session-owner.ts";
import { MAX_DISPLAY_NAME } from "../people/names.ts";
import { CreationOptions, NewPasskeyAnswer, PasskeyAnswer, RequestOptions } from "./answers.ts";
import type { AddedPasskey, Passkey, Passkeys } from "./passkeys.ts";
import type { PasskeyProofs } from "./proofs.ts";
import { findRelyingParty } from "./relying-party.ts";

export interface PasskeyRoutesOptions {
  readonly guards: Guards;
  readonly principals: Principals;
  readonly originOf: (request: Request) => Origin;
  readonly site: Site;
  readonly passkeys: { readonly own: Passkeys; readonly proofs: PasskeyProofs };
  /** Asks who has shown nothing of the kind lately for the password again, before a passkey is added. */
  readonly confirmOwner: ConfirmOwner;
  /** Counts tries by session. */
  readonly limits: Attempts;
}

const Shown = t.Object({
  id: t.Integer(),
  name: t.String(),
  is_synced: t.Boolean({ description: "Whether its keeper copies it to other devices of yours" }),
  last_used_at: t.Nullable(t.String({ format: "date-time" })),
  created_at: t.String({ format: "date-time" }),
});
const RecoveryCodes = t.Array(t.String(), {
  description: "Each stands in for a second factor, once; shown this once",
});
const Added = t.Composite([Shown, t.Object({ recovery_codes: t.Nullable(RecoveryCodes) })]);
const Name = t.String({ minLength: 1, maxLength: MAX_DISPLAY_NAME, description: "Such as My laptop" });
const Id = t.Object({ id: t.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }) });
/** Serves the passkeys of who has logged in, below `/auth/passkeys`. */
export function passkeyRoutes(options: PasskeyRoutesOptions) {
  const asked = createAsked(options);
  const detail = { tags: ["auth"], ...BY_SESSION };
  return new Elysia({ name: "xcore/passkeys", prefix: "/auth/passkeys", detail })
    .use(additionRoutes(options, asked))
    .use(listRoutes(options, asked))
    .use(confirmationRoutes(options, asked));
}

function additionRoutes({ guards, passkeys: { own }, confirmOwner }: PasskeyRoutesOptions, asked: AskedBy) {
  return new Elysia({ name: "xcore/passkeys/addition" })
    .use(guards)
    .post(
      "/options",
      async ({ body, request }) => {
        const owner = asked.ownerOf(request);
        await confirmOwner(owner, { password: body?.current_password, action: "passkey.added" });
        return own.toCreationOptions(owner, asked.partyOf(request));
      },
      {
        auth: true,
        body: t.Optional(
          t.Object({
            current_password: t.Optional(
              t.String({ minLength: 1, maxLength: 1024, description: FRESH_PASSWORD }),
            ),
          }),
        ),
        response: CreationOptions,
        detail: { summary: "What a browser makes a passkey by" },
      },
    )
    .post(
      "",
      async ({ body, request, status }) =>
        status(201, toAdded(await own.add(asked.ownerOf(request), body, asked.partyOf(request)))),
      {
        auth: true,
        idempotent: true,
        body: t.Object({ name: Name, credential: NewPasskeyAnswer }),
        response: { 201: Added },
        detail: {
          summary: "Add a passkey that a browser has made; with your first second factor come recovery codes",
        },
      },
    );
}

function listRoutes({ guards, passkeys: { own } }: PasskeyRoutesOptions, asked: AskedBy) {
  return new Elysia({ name: "xcore/passkeys/list" })
    .use(guards)
    .get("", ({ query, request }) => list(own, asked.ownerOf(request), query), {
      auth: true,
      query: page,
      response: listOf(Shown),
      detail: { summary: "Your passkeys" },
    })
    .patch(
      "/:id",
      async ({ params, body, request }) =>
        toShown(await own.rename(asked.ownerOf(request), params.id, body.name)),
      {
        auth: true,
        params: Id,
        body: t.Object({ name: Name }),
        response: Shown,
        detail: { summary: "Give a passkey another name" },
      },
    )
    .delete(
      "/:id",
      async ({ params, request, status }) => status(204, await own.remove(asked.ownerOf(request), params.id)),
      {
        auth: true,
        params: Id,
        response: { 204: t.Void() },
        detail: { summary: "Remove a passkey, with a second factor of the last ten minutes" },
      },
    );
}

/** What passkeys are for beside logging in. */
function confirmationRoutes({ guards, passkeys, limits }: PasskeyRoutesOptions, asked: AskedBy) {
  const { own, proofs } = passkeys;
  const Answer = t.Object({ credential: PasskeyAnswer });
  /** An answer that is tried counts. */
  const tryAs = async (request: Request): Promise<SessionOwner> => {
    const owner = asked.ownerOf(request);
    await limits.take(owner.sessionId);
    return owner;
  };
  return new Elysia({ name: "xcore/passkeys/confirmation" })
    .use(guards)
    .post("/verify/options", ({ request }) => toOptions(proofs, asked, request), {
      auth: true,
      response: RequestOptions,
      detail: { summary: "What a browser asks one of your passkeys by" },
    })
    .post(
      "/verify",
      async ({ body, request }) => {
        const owner = await tryAs(request);
        const { freshUntil } = await own.stepUp(owner, body.credential, asked.partyOf(request));
        return { fresh_until: freshUntil.toISOString() };
      },
      {
        auth: true,
        body: Answer,
        response: {
          200: t.Object({
            fresh_until: t.String({
              format: "date-time",
              description: "Until then what asks for a fresh code takes it for given",
            }),
          }),
        },
        detail: { summary: "Show a passkey again, for what asks for a fresh code, such as adding a plugin" },
      },
    )
    .post(
      "/recovery_codes",
      async ({ body, request, status }) => {
        const owner = await tryAs(request);
        const codes = await own.renewRecoveryCodes(owner, body.credential, asked.partyOf(request));
        return status(201, { recovery_codes: codes });
      },
      {
        auth: true,
        idempotent: true,
        body: Answer,
        response: { 201: t.Object({ recovery_codes: RecoveryCodes }) },
        detail: { summary: "Make new recovery codes with a passkey; the old ones are void" },
      },
    );
}

type AskedBy = ReturnType<typeof createAsked>;

function createAsked({ principals, originOf, site }: PasskeyRoutesOptions) {
  return {
    ownerOf: (request: Request): SessionOwner =>
      toSessionOwner(principals.require(request), originOf(request)),
    partyOf: (request: Request) => findRelyingParty(site, request),
  };
}

function toOptions(proofs: PasskeyProofs, asked: AskedBy, request: Request) {
  const { user, sessionId } = asked.ownerOf(request);
  const use = { purpose: "confirmation", subject: sessionId } as const;
  return proofs.toRequestOptions({ use, party: asked.partyOf(request), userId: user.id });
}

async function list(own: Passkeys, { user }: SessionOwner, query: PageQuery) {
  const found = await own.list(user.id, query);
  return { ...found, items: found.items.map(toShown) };
}

function toShown({ id, name, is_synced, last_used_at, created_at }: Passkey) {
  return {
    id,
    name,
    is_synced,
    last_used_at: last_used_at?.toISOString() ?? null,
    created_at: created_at.toISOString(),
  };
}

function toAdded(added: AddedPasskey) {
  return { ...toShown(added), recovery_codes: added.recovery_codes };
}
