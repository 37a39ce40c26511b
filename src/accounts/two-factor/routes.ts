import { type Context, Elysia, t } from "elysia";
import { listOf, page, type PageQuery } from "../../db/paging/paginate.ts";
import type { Guards } from "../identity/guards.ts";
import { MAX_DISPLAY_NAME } from "../people/names.ts";
import type { OtpDevices } from "./devices.ts";
import type { ConfirmedOtpDevice, FactorChange, OtpDevice, OtpEnrolment } from "./enrolment.ts";
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

export interface OtpRoutesOptions {
  readonly guards: Guards;
  readonly principals: Principals;
  readonly devices: OtpDevices;
  /** Asks who has shown nothing of the kind lately for the password again, before a device is enrolled. */
  readonly confirmOwner: ConfirmOwner;
  /** Counts tries of codes by session. */
  readonly limits: Attempts;
  readonly originOf: (request: Request) => Origin;
}

const Device = t.Object({
  id: t.Integer(),
  name: t.String(),
  confirmed_at: t.Nullable(
    t.String({ format: "date-time", description: "Null until a code has shown that the device works" }),
  ),
  created_at: t.String({ format: "date-time" }),
});

const DeviceRequest = t.Object({
  name: t.String({ minLength: 1, maxLength: MAX_DISPLAY_NAME, description: "Such as My phone" }),
  current_password: t.Optional(t.String({ minLength: 1, maxLength: 1024, description: FRESH_PASSWORD })),
});

const NewDevice = t.Composite([
  Device,
  t.Object({
    secret: t.String({ description: "In base 32, for typing; shown this once" }),
    uri: t.String({ description: "otpauth:// URI, for a link on the phone itself" }),
    qr_code: t.String({ description: "The URI as a QR code, an SVG element" }),
  }),
]);

const RecoveryCodes = t.Array(t.String(), {
  description: "Each stands in for a code of a device, once; shown this once",
});
const ConfirmedDevice = t.Composite([Device, t.Object({ recovery_codes: t.Nullable(RecoveryCodes) })]);
const Code = t.String({ minLength: 1, maxLength: 64, description: "A code of a device, as it is now" });
const Id = t.Object({ id: t.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }) });

/** Who has logged in, and asks. */
type Owner = Required<FactorChange> & { readonly userId: number; readonly session: SessionOwner };

/** Serves the devices and recovery codes of who has logged in, below `/auth/otp`. */
export function otpRoutes(options: OtpRoutesOptions) {
  const owners = createOwners(options);
  return new Elysia({ name: "xcore/otp", prefix: "/auth/otp", detail: { tags: ["auth"], ...BY_SESSION } })
    .use(deviceRoutes(options, owners))
    .use(codeRoutes(options, owners));
}

function deviceRoutes(
  { guards, devices, confirmOwner }: OtpRoutesOptions,
  { identify, tryAs }: ReturnType<typeof createOwners>,
) {
  return new Elysia({ name: "xcore/otp/devices" })
    .use(guards)
    .onBeforeHandle(forbidCaching)
    .get("/devices", ({ query, request }) => list(devices, identify(request), query), {
      auth: true,
      query: page,
      response: listOf(Device),
      detail: { summary: "Your devices that give one-time codes" },
    })
    .post(
      "/devices",
      async ({ body, request, status }) => {
        const owner = identify(request);
        const asked = { password: body.current_password, action: "otp.enrolled" };
        await confirmOwner(owner.session, asked);
        return status(201, await enrol(devices, owner, body.name));
      },
      {
        auth: true,
        idempotent: true,
        body: DeviceRequest,
        response: { 201: NewDevice },
        detail: { summary: "Enrol a device; it counts once it is confirmed, within 15 minutes" },
      },
    )
    .post(
      "/devices/:id/confirm",
      async ({ params, body, request }) =>
        confirm(devices, await tryAs(request, body.code), params.id, body.code),
      {
        auth: true,
        idempotent: true,
        params: Id,
        body: t.Object({ code: Code }),
        response: { 200: ConfirmedDevice },
        detail: { summary: "Confirm a device with a first code; with your first device come recovery codes" },
      },
    )
    .delete(
      "/devices/:id",
      async ({ params, body, request, status }) =>
        status(204, await remove(devices, await tryAs(request, body?.code), params.id, body?.code)),
      {
        auth: true,
        params: Id,
        body: t.Optional(t.Object({ code: t.Optional(Code) })),
        response: { 204: t.Void() },
        detail: {
          summary: "Remove a device; one that is confirmed takes a code of a device, or a recovery code",
        },
      },
    );
}

/** What codes are for beside logging in. */
function codeRoutes({ guards, devices }: OtpRoutesOptions, { tryAs }: ReturnType<typeof createOwners>) {
  return new Elysia({ name: "xcore/otp/codes" })
    .use(guards)
    .onBeforeHandle(forbidCaching)
    .post(
      "/verify",
      async ({ body, request }) => {
        const { userId, sessionId, origin } = await tryAs(request, body.code);
        const { freshUntil } = await devices.stepUp(userId, body.code, { sessionId, origin });
        return { fresh_until: freshUntil.toISOString() };
      },
      {
        auth: true,
        body: t.Object({ code: t.String({ ...Code, description: "Of a device, or a recovery code" }) }),
        response: {
          200: t.Object({
            fresh_until: t.String({
              format: "date-time",
              description: "Until then what asks for a fresh code takes it for given",
            }),
          }),
        },
        detail: { summary: "Give a code again, for what asks for a fresh one, such as adding a plugin" },
      },
    )
    .post(
      "/recovery_codes",
      async ({ body, request, status }) =>
        status(201, await renewCodes(devices, await tryAs(request, body.code), body.code)),
      {
        auth: true,
        idempotent: true,
        body: t.Object({ code: Code }),
        response: { 201: t.Object({ recovery_codes: RecoveryCodes }) },
        detail: { summary: "Make new recovery codes for a code of a device; the old ones are void" },
      },
    );
}

function forbidCaching({ set }: Pick<Context, "set">): void {
  set.headers["cache-control"] = "no-store";
}

function createOwners({
  principals,
  limits,
  originOf,
}: Pick<OtpRoutesOptions, "principals" | "limits" | "originOf">) {
  const identify = (request: Request): Owner => {
    const session = toSessionOwner(principals.require(request), originOf(request));
    const { user, sessionId, origin } = session;
    return { userId: user.id, sessionId, origin, session };
  };
  /** A code that is tried counts. */
  const tryAs = async (request: Request, code: string | undefined): Promise<Owner> => {
    const owner = identify(request);
    if (code !== undefined) await limits.take(owner.sessionId);
    return owner;
  };
  return { identify, tryAs };
}

async function enrol(devices: OtpDevices, { userId, sessionId }: Owner, name: string) {
  return toNewDevice(await devices.create(userId, name, { sessionId }));
}

async function confirm(devices: OtpDevices, owner: Owner, id: number, code: string) {
  const { userId, sessionId, origin } = owner;
  const confirmed = await devices.confirm(userId, id, code, { sessionId, origin });
  return { ...toDevice(confirmed), recovery_codes: confirmed.recovery_codes };
}

function remove(
  devices: OtpDevices,
  { userId, ...change }: Owner,
  id: number,
  code: string | undefined,
): Promise<void> {
  return devices.remove(userId, id, { code, ...change });
}

async function renewCodes(devices: OtpDevices, { userId, ...change }: Owner, code: string) {
  return { recovery_codes: await devices.renewRecoveryCodes(userId, code, change) };
}

async function list(devices: OtpDevices, { userId }: Owner, query: PageQuery) {
  const found = await devices.list(userId, query);
  return { ...found, items: found.items.map(toDevice) };
}

function toNewDevice(device: OtpEnrolment) {
  return {
    ...toDevice(device),
    secret: device.secret,
    uri: device.qrCodeUri(),
    qr_code: device.qrCodeSvg(),
  };
}

function toDevice({ id, name, confirmed_at, created_at }: OtpDevice | ConfirmedOtpDevice) {
  return {
    id,
    name,
    confirmed_at: confirmed_at?.toISOString() ?? null,
    created_at: created_at.toISOString(),
  };
}
