import { expect } from "bun:test";
import { createAuthLimits } from "../../../src/accounts/login/attempt-limits.ts";
import type { CoreStore } from "../../../src/accounts/people/store.ts";
import { generateOtpCode } from "../../../src/accounts/two-factor/codes.ts";
import { otpRoutes } from "../../../src/accounts/two-factor/routes.ts";
import { testOnDialect, testWithCoreTables } from "../../database-servers.ts";
import {
  addDevice,
  addPrincipal,
  Clock,
  confirmOwner,
  createDevices,
  hasOtp,
  openStore,
  serve,
  wrongCode,
} from "../factor-accounts.ts";

const ROUTES = [
  ["GET", "/auth/otp/devices", undefined],
  ["POST", "/auth/otp/devices", { name: "My phone", current_password: "right" }],
  ["POST", "/auth/otp/verify", { code: "123456" }],
  ["POST", "/auth/otp/devices/1/confirm", { code: "123456" }],
  ["DELETE", "/auth/otp/devices/1", { code: "123456" }],
  ["POST", "/auth/otp/recovery_codes", { code: "123456" }],
] as const;

function serveOtp(store: CoreStore, clock: Clock) {
  const devices = createDevices(store, clock);
  const limits = createAuthLimits({ now: clock.now }).codes;
  return { devices, send: serve((context) => otpRoutes({ ...context, devices, limits, confirmOwner })) };
}

testWithCoreTables("otpRoutes() enrols, confirms, renews and removes", async ({ driver }) => {
  const [store, clock] = [await openStore(driver), new Clock()];
  const { send } = serveOtp(store, clock);
  const ada = await addPrincipal(store, "ada@example.com", { lacksOtp: true });

  const made = await send(ada, "POST", "/auth/otp/devices", {
    name: "My phone",
    current_password: "right",
    is_active: true,
    user_id: 99,
  });
  expect(made.status).toBe(201);
  expect(made.headers.get("cache-control")).toBe("no-store");
  const { id, secret } = made.body;
  expect(made.body).toEqual({
    id,
    name: "My phone",
    confirmed_at: null,
    created_at: new Date(clock.ms).toISOString(),
    secret: expect.stringMatching(/^[A-Z2-7]{32}$/),
    uri: expect.stringContaining("otpauth://totp/"),
    qr_code: expect.stringContaining("<svg"),
  });
  const code = () => generateOtpCode(secret, clock.ms);
  const confirmed = await send(ada, "POST", `/auth/otp/devices/${id}/confirm`, { code: code() });
  expect(confirmed.status).toBe(200);
  expect(confirmed.body).toMatchObject({ id, confirmed_at: new Date(clock.ms).toISOString() });
  expect(confirmed.body.recovery_codes).toHaveLength(10);
  expect(await hasOtp(store, ada.sessionId)).toBe(true);

  const list = await send(ada, "GET", "/auth/otp/devices?per_page=1");
  expect(list.body).toMatchObject({ items: [{ id, name: "My phone" }], page: 1, per_page: 1, total: 1 });
  expect(list.text).not.toContain(secret);
  expect((await send(ada, "GET", "/auth/otp/devices?total=false")).body.total).toBeNull();

  clock.step();
  const renewed = await send(ada, "POST", "/auth/otp/recovery_codes", { code: code() });
  expect(renewed.status).toBe(201);
  expect(renewed.body.recovery_codes).toHaveLength(10);
  const [recoveryCode] = renewed.body.recovery_codes;
  const removed = await send(ada, "DELETE", `/auth/otp/devices/${id}`, { code: recoveryCode });
  expect([removed.status, removed.text]).toEqual([204, ""]);
  expect((await send(ada, "GET", "/auth/otp/devices")).body.total).toBe(0);
});

testOnDialect("sqlite", "otpRoutes() is for who has logged in, not for API keys", async ({ driver }) => {
  const [store, clock] = [await openStore(driver), new Clock()];
  const { send } = serveOtp(store, clock);
  const ada = await addPrincipal(store, "ada@example.com");
  for (const [method, path, body] of ROUTES) {
    // oxlint-disable-next-line no-await-in-loop -- one request after another
    const anonymous = await send(null, method, path, body);
    expect([anonymous.status, anonymous.body.code]).toEqual([401, "authentication_error"]);
    // oxlint-disable-next-line no-await-in-loop
    const byKey = await send({ ...ada, sessionId: null, apiKeyId: 1 }, method, path, body);
    expect([byKey.status, byKey.body.code]).toEqual([403, "authorization_error"]);
  }
  expect((await send(ada, "GET", "/auth/otp/devices")).body.total).toBe(0);
});

testOnDialect("sqlite", "otpRoutes() limits how many codes are tried", async ({ driver }) => {
  const [store, clock] = [await openStore(driver), new Clock()];
  const { devices, send } = serveOtp(store, clock);
  const [ada, eve] = [
    await addPrincipal(store, "ada@example.com"),
    await addPrincipal(store, "eve@example.com"),
  ];
  const device = await addDevice(devices, clock, ada.user.id);
  const pending = await devices.create(ada.user.id, "pending");
  clock.step();
  const wrong = wrongCode(device.code());
  const tries = [
    ["POST", `/auth/otp/devices/${pending.id}/confirm`],
    ["DELETE", `/auth/otp/devices/${device.id}`],
    ["POST", "/auth/otp/recovery_codes"],
    ["POST", `/auth/otp/devices/${pending.id}/confirm`],
    ["POST", "/auth/otp/recovery_codes"],
  ] as const;
  for (const [method, path] of tries) {
    // oxlint-disable-next-line no-await-in-loop -- one request after another
    const answer = await send(ada, method, path, { code: wrong });
    expect([path, answer.body.code]).toEqual([
      path,
      path.includes(`${pending.id}/`) ? "otp_required" : "invalid_credentials",
    ]);
    expect(answer.text).not.toContain(wrong);
  }
  const limited = await send(ada, "POST", "/auth/otp/recovery_codes", { code: device.code() });
  expect([limited.status, limited.body.code]).toEqual([429, "rate_limited"]);
  expect(limited.headers.get("retry-after")).toBe("60");
  expect((await send(eve, "POST", "/auth/otp/recovery_codes", { code: wrong })).body.code).toBe("conflict");
  expect((await send(ada, "GET", "/auth/otp/devices")).status).toBe(200);
  clock.step(2);
  expect((await send(ada, "POST", "/auth/otp/recovery_codes", { code: device.code() })).status).toBe(201);
});

testOnDialect(
  "sqlite",
  "otpRoutes() refuses what doesn't fit, and other users' devices",
  async ({ driver }) => {
    const [store, clock] = [await openStore(driver), new Clock()];
    const { devices, send } = serveOtp(store, clock);
    const [ada, eve] = [
      await addPrincipal(store, "ada@example.com"),
      await addPrincipal(store, "eve@example.com"),
    ];
    const { id } = await devices.create(ada.user.id, "phone");
    const refused = [
      ["POST", "/auth/otp/devices", {}, 422],
      ["POST", "/auth/otp/devices", { name: "phone" }, 403],
      ["POST", "/auth/otp/devices", { name: "phone", current_password: "" }, 422],
      ["POST", "/auth/otp/devices", { name: "phone", current_password: "wrong" }, 401],
      ["POST", "/auth/otp/verify", {}, 422],
      ["POST", "/auth/otp/verify", { code: "123456" }, 409],
      ["POST", "/auth/otp/devices", { name: "", current_password: "right" }, 422],
      ["POST", "/auth/otp/devices", { name: "a\r\nx-evil: 1", current_password: "right" }, 422],
      ["POST", "/auth/otp/devices", { name: "\uD800", current_password: "right" }, 422],
      ["POST", "/auth/otp/devices", { name: "x".repeat(101), current_password: "right" }, 422],
      ["POST", `/auth/otp/devices/${id}/confirm`, {}, 422],
      ["POST", `/auth/otp/devices/${id}/confirm`, { code: 123456 }, 422],
      ["POST", `/auth/otp/devices/${id}/confirm`, { code: "1".repeat(65) }, 422],
      ["POST", `/auth/otp/devices/x/confirm`, { code: "123456" }, 422],
      ["POST", `/auth/otp/devices/0/confirm`, { code: "123456" }, 422],
      ["POST", `/auth/otp/devices/99999999999999999999/confirm`, { code: "123456" }, 422],
      ["POST", `/auth/otp/devices/${id}/confirm`, { code: "123456" }, 404],
      ["DELETE", `/auth/otp/devices/${id}`, undefined, 404],
    ] as const;
    for (const [method, path, body, status] of refused) {
      // oxlint-disable-next-line no-await-in-loop -- one request after another
      const answer = await send(eve, method, path, body);
      expect([path, body, answer.status]).toEqual([path, body, status]);
      expect(answer.headers.get("x-evil")).toBeNull();
    }
    // One that isn't confirmed yet is removed as it is.
    expect((await send(ada, "DELETE", `/auth/otp/devices/${id}`)).status).toBe(204);
  },
);
