import { eq } from "drizzle-orm";
import { expect, expectTypeOf } from "bun:test";
import type { SecondFactors } from "../../../src/accounts/login/login.ts";
import { OtpDevices } from "../../../src/accounts/two-factor/devices.ts";
import { generateOtpCode } from "../../../src/accounts/two-factor/codes.ts";
import { assertIdentifiedLately, removeSecondFactors } from "../../../src/accounts/two-factor/enrolment.ts";
import { SecretBox } from "../../../src/accounts/keys/secret-box.ts";
import { testOnDialect, testWithCoreTables } from "../../database-servers.ts";
import {
  addDevice,
  addPrincipal,
  addSession,
  Clock,
  codesOf,
  createDevices,
  hasOtp,
  messageOf,
  openStore,
  ORIGIN,
  readAccessChanges,
  readAudit,
  wrongCode,
} from "../factor-accounts.ts";

testWithCoreTables("OtpDevices turns two factors on with a first confirmed device", async ({ driver }) => {
  const [store, clock] = [await openStore(driver), new Clock()];
  const devices = createDevices(store, clock);
  const { user, sessionId } = await addPrincipal(store, "ada@example.com");
  const other = await addSession(store, user.id);

  const enrolment = await devices.create(user.id, "  My phone ", { sessionId });
  expect(enrolment).toMatchObject({ name: "My phone", confirmed_at: null });
  expectTypeOf(devices).toExtend<SecondFactors>();
  expect(enrolment.qrCodeUri()).toStartWith("otpauth://totp/Acme%20%20ERP:ada%40example.com?");
  expect(enrolment.qrCodeUri()).toContain(`secret=${enrolment.secret}`);
  expect(enrolment.qrCodeSvg()).toStartWith("<svg");
  expect(await devices.isEnabled(user.id)).toBe(false);
  const code = generateOtpCode(enrolment.secret, clock.ms);
  expect(await devices.verify(user.id, code)).toBe(false);
  const [row] = await store.db.select().from(store.tables.otpDevices);
  expect(row?.secret).toStartWith("v1.");
  expect(row?.secret).not.toContain(enrolment.secret);

  expect(await messageOf(devices.confirm(user.id, enrolment.id, wrongCode(code)))).toContain(
    "The code is wrong",
  );
  const confirmed = await devices.confirm(user.id, enrolment.id, code, { sessionId, origin: ORIGIN });
  expect(confirmed).toMatchObject({ id: enrolment.id, confirmed_at: new Date(clock.ms) });
  expect(new Set(confirmed.recovery_codes).size).toBe(10);
  expect(await devices.isEnabled(user.id)).toBe(true);
  expect(await hasOtp(store, sessionId)).toBe(true);
  expect(await hasOtp(store, other)).toBe(false);
  expect(await codesOf([devices.confirm(user.id, enrolment.id, code)])).toEqual(["conflict"]);

  expect(await readAccessChanges(store)).toEqual([user.id]);
  const { entries, text } = await readAudit(store);
  expect(entries).toMatchObject([
    {
      action: "otp.enrolled",
      actor_id: user.id,
      actor: "ada@example.com",
      target_id: String(enrolment.id),
      ip_address: ORIGIN.ipAddress,
      after: { name: "My phone" },
    },
  ]);
  for (const secret of [enrolment.secret, code, row?.secret ?? "", ...(confirmed.recovery_codes ?? [])]) {
    expect(text).not.toContain(secret);
  }

  clock.step();
  const second = await addDevice(devices, clock, user.id, "Tablet");
  expect(second.recoveryCodes).toEqual([]);
  const { items, total } = await devices.list(user.id, {});
  expect([items.map(({ name }) => name), total]).toEqual([["My phone", "Tablet"], 2]);
});

testWithCoreTables("OtpDevices.verify() takes each code once, within a step", async ({ driver }) => {
  const [store, clock] = [await openStore(driver), new Clock()];
  const devices = createDevices(store, clock);
  const { user } = await addPrincipal(store, "ada@example.com");
  const device = await addDevice(devices, clock, user.id);
  expect(await devices.verify(user.id, device.code())).toBe(false);

  clock.step();
  const used = device.code();
  expect(await devices.verify(user.id, wrongCode(used))).toBe(false);
  expect(await devices.verify(user.id, ` ${used.slice(0, 3)} ${used.slice(3)} `)).toBe(true);
  expect(await devices.verify(user.id, used)).toBe(false);
  clock.step();
  expect(await devices.verify(user.id, used)).toBe(false);
  const late = device.code();
  clock.step();
  expect(await devices.verify(user.id, late)).toBe(true);
  const tooLate = generateOtpCode(device.secret, clock.ms);
  clock.step(2);
  expect(await devices.verify(user.id, tooLate)).toBe(false);
  const early = generateOtpCode(device.secret, clock.ms + 30_000);
  const tooEarly = generateOtpCode(device.secret, clock.ms + 60_000);
  expect(await devices.verify(user.id, tooEarly)).toBe(false);
  expect(await devices.verify(user.id, early)).toBe(true);
  // What is older than the last one that was accepted is void, though it was never used.
  expect(await devices.verify(user.id, device.code())).toBe(false);
  for (const nothing of ["", "0", "null", "' or 1=1 --", "\0", "😀".repeat(8), "1".repeat(10_000)]) {
    // oxlint-disable-next-line no-await-in-loop -- a loop of cases
    expect(await devices.verify(user.id, nothing)).toBe(false);
  }
});

testWithCoreTables("OtpDevices.verify() accepts one of many at once with one code", async ({ driver }) => {
  const [store, clock] = [await openStore(driver), new Clock()];
  // As two instances on one database.
  const instances = [createDevices(store, clock), createDevices(store, clock)] as const;
  const { user } = await addPrincipal(store, "ada@example.com");
  const device = await addDevice(instances[0], clock, user.id);
  const [recoveryCode = ""] = device.recoveryCodes;
  for (let round = 0; round < 5; round++) {
    clock.step();
    const code = device.code();
    const tries = Array.from({ length: 10 }, (_, index) =>
      instances[index % 2 === 0 ? 0 : 1].verify(user.id, code),
    );
    // oxlint-disable-next-line no-await-in-loop -- one step after another
    expect((await Promise.all(tries)).filter(Boolean)).toHaveLength(1);
  }
  const tries = Array.from({ length: 10 }, (_, index) =>
    instances[index % 2 === 0 ? 0 : 1].verify(user.id, recoveryCode, ORIGIN),
  );
  expect((await Promise.all(tries)).filter(Boolean)).toHaveLength(1);
  expect((await readAudit(store)).actions).toEqual(["otp.enrolled", "otp.recovery_used"]);
});

testWithCoreTables(
  "OtpDevices keeps 10 devices, and confirms one once, however many ask at once",
  async ({ driver }) => {
    const [store, clock] = [await openStore(driver), new Clock()];
    const devices = createDevices(store, clock);
    const { user } = await addPrincipal(store, "ada@example.com");
    const made = Array.from({ length: 14 }, (_, index) => devices.create(user.id, `phone ${index}`));
    const results = await codesOf(made);
    expect(results.filter((code) => code === null)).toHaveLength(10);
    expect(results.filter((code) => code === "conflict")).toHaveLength(4);

    const settled = await Promise.allSettled(made);
    const enrolments = settled.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
    const [first, second] = enrolments;
    if (first === undefined || second === undefined) throw new Error("no devices");
    const code = generateOtpCode(first.secret, clock.ms);
    const confirmed = await codesOf(
      Array.from({ length: 5 }, () => devices.confirm(user.id, first.id, code)),
    );
    expect(confirmed.filter((result) => result === null)).toHaveLength(1);
    expect(confirmed.filter((result) => result === "conflict")).toHaveLength(4);
    expect(await store.db.$count(store.tables.recoveryCodes)).toBe(10);

    clock.ms += 15 * 60_000;
    expect((await devices.list(user.id, {})).items.map(({ id }) => id)).toEqual([first.id]);
    const late = generateOtpCode(second.secret, clock.ms);
    expect(await codesOf([devices.confirm(user.id, second.id, late)])).toEqual(["not_found"]);
    await devices.create(user.id, "another");
    expect(await store.db.$count(store.tables.otpDevices)).toBe(2);
  },
);

testWithCoreTables(
  "OtpDevices.remove() takes a code, and ends everything with the last device",
  async ({ driver }) => {
    const [store, clock] = [await openStore(driver), new Clock()];
    const devices = createDevices(store, clock);
    const { user, sessionId } = await addPrincipal(store, "ada@example.com");
    const phone = await devices.create(user.id, "phone");
    const { recovery_codes } = await devices.confirm(
      user.id,
      phone.id,
      generateOtpCode(phone.secret, clock.ms),
      {
        sessionId,
      },
    );
    const tablet = await addDevice(devices, clock, user.id, "tablet");
    const pending = await devices.create(user.id, "pending");
    const [recoveryCode = ""] = recovery_codes ?? [];
    clock.step();

    const refused = await codesOf([
      devices.remove(user.id, phone.id),
      devices.remove(user.id, phone.id, { code: wrongCode(tablet.code()) }),
      devices.remove(user.id, phone.id, { code: generateOtpCode(pending.secret, clock.ms) }),
      devices.remove(user.id, phone.id, { code: "0000-0000-0000-0000" }),
    ]);
    expect(refused).toEqual(Array.from(refused, () => "invalid_credentials"));
    await devices.remove(user.id, pending.id);
    const code = tablet.code();
    await devices.remove(user.id, phone.id, { code, origin: ORIGIN });
    expect(await codesOf([devices.remove(user.id, tablet.id, { code })])).toEqual(["invalid_credentials"]);
    expect(await hasOtp(store, sessionId)).toBe(true);

    await devices.remove(user.id, tablet.id, { code: recoveryCode.toUpperCase().replaceAll("-", " ") });
    expect(await devices.isEnabled(user.id)).toBe(false);
    expect(await hasOtp(store, sessionId)).toBe(false);
    expect(await store.db.$count(store.tables.recoveryCodes)).toBe(0);
    expect(await readAccessChanges(store)).toEqual([user.id, user.id, user.id, user.id]);
    const { actions, text } = await readAudit(store);
    expect(actions.slice(2)).toEqual(["otp.removed", "otp.recovery_used", "otp.removed"]);
    expect(text).not.toContain(recoveryCode);
  },
);

testWithCoreTables(
  "OtpDevices.renewRecoveryCodes() voids the old ones, for a code of a device",
  async ({ driver }) => {
    const [store, clock] = [await openStore(driver), new Clock()];
    const devices = createDevices(store, clock);
    const { user } = await addPrincipal(store, "ada@example.com");
    expect(await codesOf([devices.renewRecoveryCodes(user.id, "123456")])).toEqual(["conflict"]);
    const device = await addDevice(devices, clock, user.id);
    clock.step();
    const [old = "", unused = ""] = device.recoveryCodes;
    expect(
      device.recoveryCodes.every((code) => /^(?:[0-9a-hjkmnp-tv-z]{4}-){5}[0-9a-hjkmnp-tv-z]{4}$/.test(code)),
    ).toBe(true);
    const refused = [
      devices.renewRecoveryCodes(user.id, old),
      devices.renewRecoveryCodes(user.id, wrongCode(device.code())),
    ];
    expect(await codesOf(refused)).toEqual(["invalid_credentials", "invalid_credentials"]);
    expect(await devices.verify(user.id, old)).toBe(true);
    expect(await devices.verify(user.id, old)).toBe(false);
    const [renewed = ""] = await devices.renewRecoveryCodes(user.id, device.code());
    expect(await devices.verify(user.id, unused)).toBe(false);
    // Letters that are none of the alphabet stand for the digits that they look like.
    const typed = renewed.replaceAll("0", "o").replaceAll("1", "L");
    expect(await devices.verify(user.id, typed)).toBe(true);
    const stored = JSON.stringify(await store.db.select().from(store.tables.recoveryCodes));
    for (const code of [old, renewed]) expect(stored).not.toContain(code.replaceAll("-", ""));
    expect((await readAudit(store)).actions).toEqual([
      "otp.enrolled",
      "otp.recovery_used",
      "otp.recovery_renewed",
      "otp.recovery_used",
    ]);
  },
);

testWithCoreTables("OtpDevices knows nothing of another account's devices and codes", async ({ driver }) => {
  const [store, clock] = [await openStore(driver), new Clock()];
  const devices = createDevices(store, clock);
  const [ada, eve] = [
    await addPrincipal(store, "ada@example.com"),
    await addPrincipal(store, "eve@example.com"),
  ];
  const device = await addDevice(devices, clock, ada.user.id);
  const pending = await devices.create(ada.user.id, "pending");
  const own = await addDevice(devices, clock, eve.user.id);
  clock.step();
  const [recoveryCode = ""] = device.recoveryCodes;
  expect(await devices.verify(eve.user.id, device.code())).toBe(false);
  expect(await devices.verify(eve.user.id, recoveryCode)).toBe(false);
  const refused = await codesOf([
    devices.remove(eve.user.id, device.id, { code: own.code() }),
    devices.remove(eve.user.id, pending.id),
    devices.confirm(eve.user.id, pending.id, generateOtpCode(pending.secret, clock.ms)),
    devices.create(ada.user.id + 1000, "nobody's"),
  ]);
  expect(refused).toEqual(["not_found", "not_found", "not_found", "not_found"]);
  expect(await devices.verify(ada.user.id + 1000, recoveryCode)).toBe(false);
  expect(await devices.verify(ada.user.id, device.code())).toBe(true);
  expect((await devices.list(eve.user.id, {})).total).toBe(1);
});

testWithCoreTables(
  "OtpDevices adds no device for a session that gave one factor of two",
  async ({ driver }) => {
    const [store, clock] = [await openStore(driver), new Clock()];
    const devices = createDevices(store, clock);
    const { user, sessionId: stolen } = await addPrincipal(store, "ada@example.com");
    const sessionId = await addSession(store, user.id);
    const early = await devices.create(user.id, "enrolled before", { sessionId: stolen });
    const phone = await devices.create(user.id, "phone", { sessionId });
    await devices.confirm(user.id, phone.id, generateOtpCode(phone.secret, clock.ms), { sessionId });
    const code = generateOtpCode(early.secret, clock.ms);
    const oneFactor = await addSession(store, user.id);
    const refused = await codesOf(
      [stolen, oneFactor].flatMap((sessionOf) => [
        devices.create(user.id, "mine", { sessionId: sessionOf }),
        devices.confirm(user.id, early.id, code, { sessionId: sessionOf }),
      ]),
    );
    // The one that was there before has ended.
    const ended = "authentication_error";
    expect(refused).toEqual([ended, ended, "otp_required", "otp_required"]);
    expect((await devices.confirm(user.id, early.id, code, { sessionId })).recovery_codes).toBeNull();
  },
);

testWithCoreTables("removeSecondFactors() lets somebody in who has lost everything", async ({ driver }) => {
  const [store, clock] = [await openStore(driver), new Clock()];
  const devices = createDevices(store, clock);
  const { user } = await addPrincipal(store, "ada@example.com");
  await addDevice(devices, clock, user.id);
  expect(await store.db.transaction((tx) => removeSecondFactors(tx, store.tables, user.id))).toBe(1);
  expect(await devices.isEnabled(user.id)).toBe(false);
  expect(await store.db.$count(store.tables.recoveryCodes)).toBe(0);
  expect(await readAccessChanges(store)).toEqual([user.id, user.id]);
});

testOnDialect(
  "sqlite",
  "OtpDevices says so when secrets were sealed with another key or moved",
  async ({ driver }) => {
    const [store, clock] = [await openStore(driver), new Clock()];
    const devices = createDevices(store, clock);
    const { user } = await addPrincipal(store, "ada@example.com");
    const eve = await addPrincipal(store, "eve@example.com");
    const device = await addDevice(devices, clock, user.id);
    const own = await addDevice(devices, clock, eve.user.id);
    clock.step();
    const [recoveryCode = ""] = device.recoveryCodes;
    const other = new OtpDevices({
      store,
      box: new SecretBox(new Uint8Array(32)),
      issuer: "x",
      now: clock.now,
    });
    expect(await messageOf(other.verify(user.id, device.code()))).toContain("sealed with another secret key");
    expect(await other.verify(user.id, recoveryCode)).toBe(true);

    const { otpDevices } = store.tables;
    const [moved] = await store.db.select().from(otpDevices).where(eq(otpDevices.id, own.id));
    const secret = moved?.secret ?? "";
    await store.db.update(otpDevices).set({ secret }).where(eq(otpDevices.id, device.id));
    expect(await messageOf(devices.verify(user.id, own.code()))).toContain("or changed");
    // With another device that is readable, a wrong code is a wrong code.
    const tablet = await addDevice(devices, clock, user.id, "tablet");
    clock.step();
    expect(await devices.verify(user.id, wrongCode(tablet.code()))).toBe(false);
    expect(await devices.verify(user.id, tablet.code())).toBe(true);
  },
);

testOnDialect("sqlite", "OtpDevices.create() refuses names that break lines or pages", async ({ driver }) => {
  const [store, clock] = [await openStore(driver), new Clock()];
  const devices = createDevices(store, clock);
  const { user } = await addPrincipal(store, "ada@example.com");
  const names = ["", "  ", "a\r\nset-cookie: x", "a\0", "\u202Eevil", "\u2028", "\uD800", "x".repeat(101)];
  const refused = await codesOf(names.map((name) => devices.create(user.id, name)));
  expect(refused).toEqual(names.map(() => "validation_error"));
  const name = "<b>Zoë's 📱</b> '; drop table users --";
  expect((await devices.create(user.id, name)).name).toBe(name);
});

testWithCoreTables(
  "confirming the first device ends sessions that gave a password alone",
  async ({ driver }) => {
    const [store, clock] = [await openStore(driver), new Clock()];
    const devices = createDevices(store, clock);
    const ada = await addPrincipal(store, "ada@example.com");
    const other = await addSession(store, ada.user.id);
    const stranger = await addPrincipal(store, "eve@example.com");
    const endedOf = async () => {
      const sessions = await store.db.select().from(store.tables.sessions);
      return sessions.filter(({ revoked_at: at }) => at !== null).map(({ id }) => id);
    };
    const enrol = async () => {
      const { id, secret } = await devices.create(ada.user.id, "phone");
      const code = generateOtpCode(secret, clock.ms);
      await devices.confirm(ada.user.id, id, code, { sessionId: ada.sessionId });
    };
    await enrol();
    expect(await endedOf()).toEqual([other]);
    expect(await hasOtp(store, ada.sessionId)).toBe(true);
    // A second device ends none: those that are there have given a code.
    const later = await addSession(store, ada.user.id);
    await enrol();
    expect(await endedOf()).toEqual([other]);
    expect([later, stranger.sessionId]).not.toContain(other);
  },
);

testOnDialect("sqlite", "OtpDevices.stepUp() takes a code once, and notes when", async ({ driver }) => {
  const [store, clock] = [await openStore(driver), new Clock()];
  const devices = createDevices(store, clock);
  const ada = await addPrincipal(store, "ada@example.com");
  const device = await addDevice(devices, clock, ada.user.id);
  await store.db.update(store.tables.sessions).set({ revoked_at: null });
  const change = { sessionId: ada.sessionId, origin: ORIGIN };
  const fresh = () =>
    assertIdentifiedLately(store.db, store.tables, {
      userId: ada.user.id,
      sessionId: ada.sessionId,
      nowMs: clock.ms,
    });
  expect(await codesOf([fresh()])).toEqual(["otp_expired"]);
  clock.step();
  expect(await codesOf([devices.stepUp(ada.user.id, wrongCode(device.code()), change)])).toEqual([
    "invalid_credentials",
  ]);
  const code = device.code();
  const { freshUntil } = await devices.stepUp(ada.user.id, code, change);
  expect(freshUntil.getTime()).toBe(clock.ms + 600_000);
  expect(await codesOf([devices.stepUp(ada.user.id, code, change)])).toEqual(["invalid_credentials"]);
  clock.ms += 600_000;
  await fresh();
  clock.ms += 1;
  expect(await codesOf([fresh()])).toEqual(["otp_expired"]);
});
