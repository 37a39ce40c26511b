import { type Context, Elysia, t } from "elysia";
import { listOf, page, type PageQuery } from "../../db/paging/paginate.ts";
import type { Guards } from "../identity/guards.ts";
import { MAX_DISPLAY_NAME } from "../people/names.ts";
import type { ConfirmedOtpDevice, FactorChange, OtpDevice, OtpDevices, OtpEnrolment } from "./devices.ts";
import type { Origin } from "../identity/principal.ts";
import type { Principals } from "../identity/principals.ts";
import { requireSession } from "../identity/session-owner.ts";

export interface OtpRoutesOptions {
  readonly guards: Guards;
  readonly principals: Principals;
  readonly devices: OtpDevices;
  /** Counts tries of codes by user id; `take` throws AppError rate_limited when there were too many. */
  readonly limits: { take(key: string): void };
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

const DeviceName = t.Object({
  name: t.String({ minLength: 1, maxLength: MAX_DISPLAY_NAME, description: "Such as My phone" }),
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
type Owner = Required<FactorChange> & { readonly userId: number };

/** Serves the devices and recovery codes of who has logged in, below `/auth/otp`. */
export function otpRoutes({ guards, principals, devices, limits, originOf }: OtpRoutesOptions) {
  const { identify, tryAs } = createOwners({ principals, limits, originOf });
  return new Elysia({ name: "xcore/otp", prefix: "/auth/otp", detail: { tags: ["auth"] } })
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
      async ({ body, request, status }) => status(201, await enrol(devices, identify(request), body.name)),
      {
        auth: true,
        body: DeviceName,
        response: { 201: NewDevice },
        detail: { summary: "Enrol a device; it counts once it is confirmed, within 15 minutes" },
      },
    )
    .post(
      "/devices/:id/confirm",
      ({ params, body, request }) => confirm(devices, tryAs(request, body.code), params.id, body.code),
      {
        auth: true,
        params: Id,
        body: t.Object({ code: Code }),
        response: { 200: ConfirmedDevice },
        detail: { summary: "Confirm a device with a first code; with your first device come recovery codes" },
      },
    )
    .delete(
      "/devices/:id",
      async ({ params, body, request, status }) =>
        status(204, await remove(devices, tryAs(request, body?.code), params.id, body?.code)),
      {
        auth: true,
        params: Id,
        body: t.Optional(t.Object({ code: t.Optional(Code) })),
        response: { 204: t.Void() },
        detail: {
          summary: "Remove a device; one that is confirmed takes a code of a device, or a recovery code",
        },
      },
    )
    .post(
      "/recovery_codes",
      async ({ body, request, status }) =>
        status(201, await renewCodes(devices, tryAs(request, body.code), body.code)),
      {
        auth: true,
        body: t.Object({ code: Code }),
        response: { 201: t.Object({ recovery_codes: RecoveryCodes }) },
        detail: { summary: "Make new recovery codes for a code of a device; the old ones are void" },
      },
    );
}

function forbidCaching({ set }: Pick<Context, "set">): void {
  set.headers["cache-control"] = "no-store";
}

function createOwners({ principals, limits, originOf }: Omit<OtpRoutesOptions, "guards" | "devices">) {
  const identify = (request: Request): Owner => {
    const principal = principals.require(request);
    return { userId: principal.user.id, sessionId: requireSession(principal), origin: originOf(request) };
  };
  /** A code that is tried counts. */
  const tryAs = (request: Request, code: string | undefined): Owner => {
    const owner = identify(request);
    if (code !== undefined) limits.take(String(owner.userId));
    return owner;
  };
  return { identify, tryAs };
}

async function enrol(devices: OtpDevices, { userId, sessionId }: Owner, name: string) {
  return toNewDevice(await devices.create(userId, name, { sessionId }));
}

async function confirm(devices: OtpDevices, { userId, ...change }: Owner, id: number, code: string) {
  const confirmed = await devices.confirm(userId, id, code, change);
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
