import { type AnyElysia, t } from "elysia";
import { listOf } from "../db/paging/paginate.ts";
import { addAggregation } from "./aggregates/routes.ts";
import { addBatch } from "./batch/routes.ts";
import { addExport } from "./export/routes.ts";
import { addImport, type ImportRoutesOptions } from "./import-jobs/routes.ts";
import { listRows, readRow } from "./reading/rows.ts";
import { toDescribed } from "./schemas/answers.ts";
import { changeSchemaOf } from "./schemas/bodies.ts";
import { listQueryOf } from "./schemas/queries.ts";
import { addCreation } from "./serving/creation.ts";
import { Endpoint, type ResourceRouter, type ResourceRoutesOptions, toMatch } from "./serving/endpoint.ts";
import { addLiveChanges } from "./serving/changes.ts";
import { addDiscussion } from "./serving/discussion.ts";
import { addFiles } from "./serving/files.ts";
import { addHistory } from "./serving/history.ts";
import { addRestoring } from "./serving/restoring.ts";
import { addSteps } from "./serving/steps.ts";
import { nameReferring } from "./writing/references.ts";
import { toETag } from "./writing/versions.ts";

/** The routes of a resource, below its path. */
export function createResourceRoutes(options: ImportRoutesOptions): AnyElysia {
  const endpoint = new Endpoint(options);
  const router = options.createRouter() as unknown as ResourceRouter;
  addReading(router, endpoint, options);
  addAggregation(router, endpoint, options);
  addCreation(router, endpoint, options);
  addChanges(router, endpoint, options);
  if (options.resource.deletedAt !== null) addRestoring(router, endpoint, options);
  addSteps(router, endpoint, options);
  addFiles(router, endpoint, options);
  addBatch(router, endpoint, options);
  addExport(router, endpoint, options);
  addLiveChanges(router, endpoint, options);
  if (options.resource.hasHistory) addHistory(router, endpoint, options);
  addDiscussion(router, endpoint, options);
  addImport(router, endpoint, options);
  return router as unknown as AnyElysia;
}

function addReading(
  router: ResourceRouter,
  endpoint: Endpoint,
  { resource, db }: ResourceRoutesOptions,
): void {
  const { path, parameters, key, rowQuery, answer, answered } = endpoint;
  router.get(path, ({ user, query }) => listRows(db, endpoint.accessOf(user), { query, parameters }), {
    ...endpoint.guard("read"),
    query: listQueryOf(resource, parameters),
    response: toDescribed(() => listOf(answer)),
    detail: { summary: `List ${resource.name}` },
  });
  router.get(
    `${path}/:id`,
    async ({ user, params: { id }, query, set }) => {
      const access = endpoint.accessOf(user);
      const { row, shown } = await readRow(db, access, id, query);
      set.headers["etag"] = toETag(row, access);
      return shown;
    },
    {
      ...endpoint.guard("read"),
      params: key,
      query: rowQuery,
      response: answered,
      detail: { summary: `Read a ${resource.singular}` },
    },
  );
}

function addChanges(
  router: ResourceRouter,
  endpoint: Endpoint,
  { resource, resources, db, writer }: ResourceRoutesOptions,
): void {
  const path = `${endpoint.path}/:id`;
  router.patch(
    path,
    ({ user, params: { id }, body, query, set, request }) =>
      endpoint.receive(user, body, (values) =>
        endpoint.write({ user, query, set, request }, "/body", (work, onFound) =>
          writer.change(id, values, work, onFound),
        ),
      ),
    {
      ...endpoint.guard("write"),
      params: endpoint.key,
      query: endpoint.rowQuery,
      body: changeSchemaOf(resource),
      response: endpoint.answered,
      detail: { summary: `Change a ${resource.singular}` },
    },
  );
  router.delete(
    path,
    async ({ user, params: { id }, set, request }) => {
      const access = endpoint.accessOf(user);
      const onFound = toMatch(request, access);
      await db
        .transaction((tx) => writer.remove(id, { tx, access, at: "" }, onFound))
        .catch((error: unknown) => {
          throw nameReferring(error, resources);
        });
      set.status = 204;
    },
    {
      ...endpoint.guard("delete"),
      params: endpoint.key,
      response: { 204: t.Void() },
      detail: { summary: `Delete a ${resource.singular}` },
    },
  );
}
