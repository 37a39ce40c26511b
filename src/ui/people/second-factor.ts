import { Elysia, t } from "elysia";
import type { ApiProblem } from "../shell/api.ts";
import { Form, Paged, type Ui } from "../shell/pages.ts";
import { text } from "../shell/words.ts";

const PATH = "/ui/account/second-factor";
/** As many as an account may have, and more. */
const MAX_PASSKEYS = 100;
/** What is shown once is kept nowhere. */
const ONCE = { headers: { "cache-control": "no-store" } };

const Device = t.Object({ id: t.Integer({ minimum: 1 }) });
const Code = t.Object({ ...Form.properties, code: t.String({ default: "", maxLength: 64 }) });
const Named = t.Object({ ...Form.properties, name: t.String({ default: "" }) });
/** What a passkey has answered, as the script of the page puts it there: JSON. */
const Answer = t.String({ maxLength: 65_536 });

/** A device, of those that give codes. */
interface Enrolled {
  readonly id: number;
  readonly name: string;
  readonly confirmed_at: string | null;
}

/** A passkey, of those that somebody has. */
interface Passkey {
  readonly id: number;
  readonly name: string;
}

/** The devices and passkeys that somebody signs in with beside their password, and the codes for when they have lost them. */
export function secondFactorRoutes(ui: Ui) {
  return new Elysia({ name: "xcore/ui/people/second-factor", prefix: PATH })
    .use(passkeyRoutes(ui))
    .use(ui.guards)
    .get("", ({ request, query }) => showFactors(ui, request, query), { auth: true, query: Paged })
    .post("", ({ request, body: { name } }) => enrol(ui, request, name), {
      auth: true,
      body: Named,
    })
    .post("/:id/confirm", ({ request, params: { id }, body: { code } }) => confirm(ui, request, id, code), {
      auth: true,
      params: Device,
      body: Code,
    })
    .post(
      "/:id/remove",
      ({ request, params: { id }, body: { code } }) =>
        ui.act(request, {
          call: (api) => api.delete(`/auth/otp/devices/${id}`, { body: code === "" ? {} : { code } }),
          done: { text: text("The device is removed."), color: "success" },
          to: PATH,
          again: (problem) => showFactors(ui, request, {}, { of: id, problem }),
        }),
      { auth: true, params: Device, body: Code },
    )
    .post("/recovery-codes", ({ request, body }) => renewCodes(ui, request, body), {
      auth: true,
      body: t.Object({ ...Code.properties, credential: t.Optional(Answer) }),
    });
}

function passkeyRoutes(ui: Ui) {
  const again = (request: Request) => (problem: ApiProblem) =>
    showFactors(ui, request, {}, { of: "passkeys", problem });
  return new Elysia({ name: "xcore/ui/people/second-factor/passkeys" })
    .use(ui.guards)
    .post("/passkeys", ({ request, body: { name } }) => beginPasskey(ui, request, name), {
      auth: true,
      body: Named,
    })
    .post("/passkeys/made", ({ request, body }) => addPasskey(ui, request, body), {
      auth: true,
      body: t.Object({ ...Named.properties, credential: t.String({ ...Answer, default: "" }) }),
    })
    .post(
      "/passkeys/:id/rename",
      ({ request, params: { id }, body: { name } }) =>
        ui.act(request, {
          call: (api) => api.patch(`/auth/passkeys/${id}`, { name }),
          done: { text: text("The passkey has another name."), color: "success" },
          to: PATH,
          again: again(request),
        }),
      { auth: true, params: Device, body: Named },
    )
    .post(
      "/passkeys/:id/remove",
      ({ request, params: { id } }) =>
        ui.act(request, {
          call: (api) => api.delete(`/auth/passkeys/${id}`),
          done: { text: text("The passkey is removed."), color: "success" },
          to: PATH,
          again: again(request),
        }),
      { auth: true, params: Device, body: Form },
    );
}

/** What was wrong, and with which of the forms. */
interface Refused {
  readonly of: number | "new" | "codes" | "passkeys";
  readonly problem: ApiProblem;
}

async function showFactors(ui: Ui, request: Request, query: typeof Paged.static, refused?: Refused) {
  const api = ui.api(request);
  const [devices, passkeys] = await Promise.all([
    api.get<{ items: readonly Enrolled[] }>("/auth/otp/devices", query),
    api.get<{ items: readonly Passkey[] }>("/auth/passkeys", { per_page: MAX_PASSKEYS }),
  ]);
  const isOn = devices.items.some(({ confirmed_at }) => confirmed_at !== null);
  const data = { devices, passkeys: passkeys.items, isOn, refused: refused?.of ?? null };
  return ui.form(request, "people/second-factor.html", data, refused?.problem);
}

async function beginPasskey(ui: Ui, request: Request, name: string) {
  try {
    const options = await ui.api(request).post("/auth/passkeys/options", {});
    const data = { name, creation: JSON.stringify(options) };
    return await ui.page(request, "people/new-passkey.html", data, ONCE);
  } catch (error) {
    return ui.refused(request, error, {
      form: PATH,
      again: (problem) => showFactors(ui, request, {}, { of: "passkeys", problem }),
    });
  }
}

async function addPasskey(
  ui: Ui,
  request: Request,
  { name, credential }: { name: string; credential: string },
) {
  try {
    const { recovery_codes } = await ui
      .api(request)
      .post<{ recovery_codes: readonly string[] | null }>("/auth/passkeys", {
        name,
        credential: parse(credential),
      });
    if (recovery_codes !== null) return await showCodes(ui, request, recovery_codes);
  } catch (error) {
    return ui.refused(request, error, {
      form: PATH,
      again: (problem) => showFactors(ui, request, {}, { of: "passkeys", problem }),
    });
  }
  return ui.redirect(request, PATH, { text: text("The passkey is added."), color: "success" });
}

async function enrol(ui: Ui, request: Request, name: string) {
  try {
    const made = await ui.api(request).post("/auth/otp/devices", { name });
    return await ui.page(request, "people/new-device.html", { made }, ONCE);
  } catch (error) {
    return ui.refused(request, error, {
      form: PATH,
      again: (problem) => showFactors(ui, request, {}, { of: "new", problem }),
    });
  }
}

async function confirm(ui: Ui, request: Request, id: number, code: string) {
  const call = `/auth/otp/devices/${id}/confirm`;
  try {
    const { recovery_codes } = await ui
      .api(request)
      .post<{ recovery_codes: readonly string[] | null }>(call, { code });
    if (recovery_codes !== null) return await showCodes(ui, request, recovery_codes);
  } catch (error) {
    return ui.refused(request, error, {
      form: PATH,
      again: (problem) => showFactors(ui, request, {}, { of: id, problem }),
    });
  }
  return ui.redirect(request, PATH, { text: text("The device gives codes from now on."), color: "success" });
}

async function renewCodes(
  ui: Ui,
  request: Request,
  { code, credential }: { readonly code: string; readonly credential?: string | undefined },
) {
  const [path, body] =
    credential === undefined
      ? ["/auth/otp/recovery_codes", { code }]
      : ["/auth/passkeys/recovery_codes", { credential: parse(credential) }];
  try {
    const made = await ui.api(request).post<{ recovery_codes: readonly string[] }>(path, body);
    return await showCodes(ui, request, made.recovery_codes);
  } catch (error) {
    return ui.refused(request, error, {
      form: PATH,
      again: (problem) => showFactors(ui, request, {}, { of: "codes", problem }),
    });
  }
}

function showCodes(ui: Ui, request: Request, codes: readonly string[]) {
  return ui.page(request, "people/recovery-codes.html", { codes }, ONCE);
}

/** What isn't JSON the API refuses. */
function parse(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return null;
  }
}
