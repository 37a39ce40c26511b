import { eq } from "drizzle-orm";
import { createRouter, resource } from "xcore";
import { companies, contacts, deals } from "./schema.ts";

export default createRouter()
  .use(
    resource(companies, {
      search: ["name", "city"],
      relations: { contacts: contacts.company_id },
      expand: ["contacts"],
    }),
  )
  .use(resource(contacts, { search: ["name", "email", "company.name"], expand: ["company"] }))
  .use(
    resource(deals, {
      search: ["title", "company.name"],
      expand: ["company", "contact", "owner"],
      rows: ({ user, can }) => (can("deals:all") ? undefined : eq(deals.owner_id, user.id)),
      fields: { margin: { read: "deals:all", write: "deals:all" }, created_at: { write: false } },
      create: { owner_id: ({ user }) => user.id },
      check: ({ value: { starts_on: starts, close_on: closes } }) =>
        starts && closes && closes < starts ? { close_on: "must not be before the start" } : undefined,
      workflow: {
        field: "stage",
        transitions: {
          win: { from: "open", to: "won", permission: "deals:close" },
          lose: { from: "open", to: "lost", permission: "deals:close" },
          reopen: { from: ["won", "lost"], to: "open" },
        },
        import: "deals:migrate",
      },
      history: true,
    }),
  );
