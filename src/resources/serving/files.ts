import { t } from "elysia";
import { fail, invalidRequest } from "../../errors/codes.ts";
import type { StoredFile } from "../../storage/contract/stored-file.ts";
import { FileQuery, fileResponses } from "../../storage/routes.ts";
import { readRow } from "../reading/rows.ts";
import type { Endpoint, Given, ResourceRouter, ResourceRoutesOptions } from "./endpoint.ts";
import type { RowFiles } from "../files/columns.ts";

const Upload = t.Object({
  id: t.String({ format: "uuid", description: "What a row is given for it" }),
  name: t.String(),
  type: t.String(),
  size: t.Integer(),
});
const Link = t.Object({ url: t.String(), expires_at: t.String({ format: "date-time" }) });
const HOUR_S = 3600;
const DAY_S = 86_400;

/** Adds the routes that take and serve the files of rows: whoever may see a row, and its column, may have its file. */
export function addFiles(router: ResourceRouter, endpoint: Endpoint, options: ResourceRoutesOptions): void {
  const { files } = options.resource;
  if (files === null) return;
  addUploads(router, endpoint, { ...options, files });
  for (const name of files.columns.keys()) addReading(router, endpoint, { ...options, files, name });
}

type Options = ResourceRoutesOptions & { readonly files: RowFiles };

function addUploads(router: ResourceRouter, endpoint: Endpoint, { resource, files }: Options): void {
  const names = [...files.columns.keys()] as [string, ...string[]];
  router.post(
    `${endpoint.path}/files`,
    async ({ user, body, set }) => {
      const access = endpoint.accessOf(user);
      const { field, file } = body as { readonly field: string; readonly file: File };
      if (!access.mayWrite(field))
        throw invalidRequest([{ path: "/body/field", code: "read_only", message: "You can't set this" }]);
      const { id, name, type, size } = await files.upload(field, file, { access, at: "/body/file" });
      set.status = 201;
      return { id, name, type, size };
    },
    {
      ...endpoint.guard("write"),
      body: t.Object({
        field: t.UnionEnum(names, { description: "The column that it is for" }),
        file: t.File(),
      }),
      response: { 201: t.NoValidate(Upload) },
      detail: {
        summary: `Upload a file for a ${resource.singular}`,
        description: "It goes after a day, unless a row is given its id.",
      },
    },
  );
}

function addReading(
  router: ResourceRouter,
  endpoint: Endpoint,
  { resource, db, files, name }: Options & { readonly name: string },
): void {
  const path = `${endpoint.path}/:id/${name}`;
  const find = async ({ user, params: { id } }: Given): Promise<StoredFile> => {
    const access = endpoint.accessOf(user);
    const { row } = await readRow(db, access, id);
    const file = access.visible.has(name) ? await files.find(row, name) : null;
    if (file !== null) return file;
    throw fail("not_found", `Cannot find ${name} of ${resource.singular} "${String(id)}"`);
  };
  router.get(
    path,
    async (given) => {
      const file = await find(given);
      return (await files.library()).answer(file, given.request, given.query as typeof FileQuery.static);
    },
    {
      ...endpoint.guard("read"),
      params: endpoint.key,
      query: FileQuery,
      detail: { summary: `Read the ${name} of a ${resource.singular}`, responses: fileResponses },
    },
  );
  router.post(
    `${path}/link`,
    async (given) => {
      const { expires_in: seconds = HOUR_S } = given.query as { readonly expires_in?: number };
      const file = await find(given);
      const expiresAt = new Date(Date.now() + seconds * 1000);
      return { url: (await files.library()).linkTo(file, seconds), expires_at: expiresAt.toISOString() };
    },
    {
      ...endpoint.guard("read"),
      params: endpoint.key,
      query: t.Object({
        expires_in: t.Optional(
          t.Integer({ minimum: 1, maximum: DAY_S, default: HOUR_S, description: "For how many seconds" }),
        ),
      }),
      response: t.NoValidate(Link),
      detail: { summary: `Make a link to the ${name} of a ${resource.singular}, for who doesn't sign in` },
    },
  );
}
