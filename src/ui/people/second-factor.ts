import { Elysia, t } from "elysia";
import type { ApiProblem } from "../shell/api.ts";
import { Form, Paged, type Ui } from "../shell/pages.ts";
import { text } from "../shell/words.ts";

const PATH = "/ui/account/second-factor";
/** What is shown once is kept nowhere. */
const ONCE = { headers: { "cache-control": "no-store" } };

const Device = t.Object({ id: t.Integer({ minimum: 1 }) });
const Code = t.Object({ ...Form.properties, code: t.String({ default: "", maxLength: 64 }) });

/** A device, of those that give codes. */
interface Enrolled {
  readonly id: number;
  readonly name: string;
  readonly confirmed_at: string | null;
}

/** The devices that somebody signs in with beside their password, and the codes for when they have lost them. */
export function secondFactorRoutes(ui: Ui) {
  return new Elysia({ name: "xcore/ui/people/second-factor", prefix: PATH })
    .use(ui.guards)
    .get("", ({ request, query }) => showDevices(ui, request, query), { auth: true, query: Paged })
    .post("", ({ request, body: { name } }) => enrol(ui, request, name), {
      auth: true,
      body: t.Object({ ...Form.properties, name: t.String({ default: "" }) }),
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
          again: (problem) => showDevices(ui, request, {}, { of: id, problem }),
        }),
      { auth: true, params: Device, body: Code },
    )
    .post("/recovery-codes", ({ request, body: { code } }) => renewCodes(ui, request, code), {
      auth: true,
      body: Code,
    });
}

/** What was wrong, and with which of the forms. */
interface Refused {
  readonly of: number | "new" | "codes";
  readonly problem: ApiProblem;
}

async function showDevices(ui: Ui, request: Request, query: typeof Paged.static, refused?: Refused) {
  const devices = await ui.api(request).get<{ items: readonly Enrolled[] }>("/auth/otp/devices", query);
  const isOn = devices.items.some(({ confirmed_at }) => confirmed_at !== null);
  const data = { devices, isOn, refused: refused?.of ?? null };
  return ui.form(request, "people/second-factor.html", data, refused?.problem);
}

async function enrol(ui: Ui, request: Request, name: string) {
  try {
    const made = await ui.api(request).post("/auth/otp/devices", { name });
    return await ui.page(request, "people/new-device.html", { made }, ONCE);
  } catch (error) {
    return ui.refused(request, error, {
      form: PATH,
      again: (problem) => showDevices(ui, request, {}, { of: "new", problem }),
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
      again: (problem) => showDevices(ui, request, {}, { of: id, problem }),
    });
  }
  return ui.redirect(request, PATH, { text: text("The device gives codes from now on."), color: "success" });
}

async function renewCodes(ui: Ui, request: Request, code: string) {
  try {
    const made = await ui
      .api(request)
      .post<{ recovery_codes: readonly string[] }>("/auth/otp/recovery_codes", { code });
    return await showCodes(ui, request, made.recovery_codes);
  } catch (error) {
    return ui.refused(request, error, {
      form: PATH,
      again: (problem) => showDevices(ui, request, {}, { of: "codes", problem }),
    });
  }
}

function showCodes(ui: Ui, request: Request, codes: readonly string[]) {
  return ui.page(request, "people/recovery-codes.html", { codes }, ONCE);
}
