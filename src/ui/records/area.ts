import { Elysia, t } from "elysia";
import type { Area } from "../shell/menu.ts";
import type { Ui } from "../shell/pages.ts";
import { actOnChosen, deleteRow, editChosen, exportRows, restoreRow, takeStep } from "./acts.ts";
import { attachTo, changeComment, detachFrom, sayOf, showActivity } from "./discussion.ts";
import { showRow } from "./form.ts";
import { showExplanation } from "./explanation.ts";
import { revertRow, showHistory } from "./history.ts";
import { goOnWithImport, showImport, showImportJob } from "./import.ts";
import { changeCell, showCellForm, showChoices } from "./inline.ts";
import { showList } from "./list.ts";
import { findRecords } from "./menu.ts";
import { type Place, Records, RECORDS } from "./records.ts";
import { changeRow, createRow, showNew } from "./saving.ts";
import { showSummary } from "./summary.ts";
import { changeView, saveView, showViews } from "./views.ts";

const WORD = t.String({ maxLength: 64 });
const PLACE = t.Object({ plugin: WORD, resource: WORD });
const ROW = t.Object({ ...PLACE.properties, id: t.String({ maxLength: 500 }) });
const CELL = t.Object({ ...ROW.properties, column: WORD });
/** Fields by the columns of a resource. */
const SENT = t.Record(t.String(), t.Any());

type Open = (request: Request, place: Place) => Promise<Records>;

/** The pages of the rows of each resource: made of what the API says of it. What begins with ~ in their paths is no key. */
export function recordsArea(ui: Ui): Area {
  const open: Open = (request, place) => Records.open(ui, request, place);
  const routes = new Elysia({ name: "xcore/ui/records", prefix: RECORDS })
    .use(listRoutes(ui, open))
    .use(importRoutes(ui, open))
    .use(viewRoutes(ui, open))
    .use(rowRoutes(ui, open))
    .use(discussionRoutes(ui, open));
  return { section: "main", menu: [], routes, find: (request, words) => findRecords(ui, request, words) };
}

function listRoutes(ui: Ui, open: Open) {
  return new Elysia({ name: "xcore/ui/records/list", prefix: "/:plugin/:resource" })
    .use(ui.guards)
    .get("", async ({ request, params }) => showList(await open(request, params)), {
      auth: true,
      params: PLACE,
    })
    .post("/~chosen", async ({ request, params, body }) => actOnChosen(await open(request, params), body), {
      auth: true,
      params: PLACE,
      body: SENT,
    })
    .post("/~edit", async ({ request, params, body }) => editChosen(await open(request, params), body), {
      auth: true,
      params: PLACE,
      body: SENT,
    })
    .get(
      "/~export/:format",
      async ({ request, params }) => exportRows(await open(request, params), params.format),
      { auth: true, params: t.Object({ ...PLACE.properties, format: t.UnionEnum(["csv", "json", "xlsx"]) }) },
    )
    .get(
      "/~choices/:column",
      async ({ request, params }) =>
        showChoices(await open(request, params), params.column, new URL(request.url).searchParams),
      { auth: true, params: t.Object({ ...PLACE.properties, column: WORD }) },
    )
    .get("/~summary", async ({ request, params }) => showSummary(await open(request, params)), {
      auth: true,
      params: PLACE,
    })
    .get("/~new", async ({ request, params }) => showNew(await open(request, params)), {
      auth: true,
      params: PLACE,
    })
    .post("/~new", async ({ request, params, body }) => createRow(await open(request, params), body), {
      auth: true,
      params: PLACE,
      body: SENT,
    });
}

function importRoutes(ui: Ui, open: Open) {
  const place = { auth: true, params: PLACE } as const;
  return new Elysia({ name: "xcore/ui/records/import", prefix: "/:plugin/:resource/~import" })
    .use(ui.guards)
    .get("", async ({ request, params }) => showImport(await open(request, params)), place)
    .post("", async ({ request, params, body }) => goOnWithImport(await open(request, params), body), {
      ...place,
      body: SENT,
    })
    .get("/:id", async ({ request, params }) => showImportJob(await open(request, params), params.id), {
      auth: true,
      params: ROW,
    });
}

/** Of what is said of one row, and attached to it. */
function discussionRoutes(ui: Ui, open: Open) {
  const row = { auth: true, params: ROW, body: SENT } as const;
  return new Elysia({ name: "xcore/ui/records/discussion", prefix: "/:plugin/:resource/:id" })
    .use(ui.guards)
    .get("/~activity", async ({ request, params }) => showActivity(await open(request, params), params.id), {
      auth: true,
      params: ROW,
    })
    .post(
      "/~comment",
      async ({ request, params, body }) => {
        const records = await open(request, params);
        return sayOf(records, params.id, body, (refused) => showRow(records, params.id, refused));
      },
      row,
    )
    .post(
      "/~comment/:comment",
      async ({ request, params, body }) => changeComment(await open(request, params), params, body),
      { ...row, params: t.Object({ ...ROW.properties, comment: WORD }) },
    )
    .post(
      "/~attachment",
      async ({ request, params, body }) => {
        const records = await open(request, params);
        return attachTo(records, params.id, body, (refused) => showRow(records, params.id, refused));
      },
      row,
    )
    .post(
      "/~attachment/:attachment",
      async ({ request, params, body }) => detachFrom(await open(request, params), params, body),
      { ...row, params: t.Object({ ...ROW.properties, attachment: WORD }) },
    );
}

/** Of the views of a list. */
function viewRoutes(ui: Ui, open: Open) {
  const place = { auth: true, params: PLACE } as const;
  return new Elysia({ name: "xcore/ui/records/views", prefix: "/:plugin/:resource/~views" })
    .use(ui.guards)
    .get("", async ({ request, params }) => showViews(await open(request, params)), place)
    .post("", async ({ request, params, body }) => saveView(await open(request, params), body), {
      ...place,
      body: SENT,
    })
    .post(
      "/:id",
      async ({ request, params, body }) => changeView(await open(request, params), params.id, body),
      { auth: true, params: t.Object({ ...PLACE.properties, id: t.Integer({ minimum: 1 }) }), body: SENT },
    );
}

/** Of one row. */
function rowRoutes(ui: Ui, open: Open) {
  const row = { auth: true, params: ROW } as const;
  const cell = { auth: true, params: CELL } as const;
  return new Elysia({ name: "xcore/ui/records/row", prefix: "/:plugin/:resource/:id" })
    .use(ui.guards)
    .get("", async ({ request, params }) => showRow(await open(request, params), params.id), row)
    .post("", async ({ request, params, body }) => changeRow(await open(request, params), params.id, body), {
      ...row,
      body: SENT,
    })
    .post(
      "/~step",
      async ({ request, params, body }) => takeStep(await open(request, params), params.id, body),
      { ...row, body: SENT },
    )
    .post(
      "/~delete",
      async ({ request, params, body }) => deleteRow(await open(request, params), params.id, body),
      { ...row, body: SENT },
    )
    .post("/~restore", async ({ request, params }) => restoreRow(await open(request, params), params.id), {
      ...row,
      body: SENT,
    })
    .get("/~history", async ({ request, params }) => showHistory(await open(request, params), params.id), row)
    .post(
      "/~revert",
      async ({ request, params, body }) => revertRow(await open(request, params), params.id, body),
      { ...row, body: SENT },
    )
    .get(
      "/~explain",
      async ({ request, params }) => showExplanation(await open(request, params), params.id),
      row,
    )
    .get(
      "/~cell/:column",
      async ({ request, params }) => showCellForm(await open(request, params), params),
      cell,
    )
    .post(
      "/~cell/:column",
      async ({ request, params, body }) => changeCell(await open(request, params), params, body),
      { ...cell, body: SENT },
    );
}
