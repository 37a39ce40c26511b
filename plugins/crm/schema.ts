import {
  date,
  decimal,
  enumOf,
  id,
  index,
  references,
  table,
  text,
  timestamp,
  users,
  varchar,
} from "xcore/schema";

export const companies = table("crm_companies", {
  id: id(),
  name: varchar(200).notNull().unique(),
  city: varchar(100),
  notes: text(),
});

export const contacts = table(
  "crm_contacts",
  {
    id: id(),
    name: varchar(200).notNull(),
    email: varchar(255),
    company_id: references(() => companies.id, { onDelete: "cascade" }).notNull(),
  },
  (contact) => [index("crm_contacts_company").on(contact.company_id)],
);

export const deals = table(
  "crm_deals",
  {
    id: id(),
    title: varchar(200).notNull(),
    stage: enumOf(["open", "won", "lost"]).notNull().default("open"),
    amount: decimal(15, 2).notNull(),
    margin: decimal(15, 2),
    starts_on: date(),
    close_on: date(),
    company_id: references(() => companies.id).notNull(),
    contact_id: references(() => contacts.id, { onDelete: "set null" }),
    owner_id: references(() => users.id).notNull(),
    created_at: timestamp().notNull().defaultNow(),
  },
  (deal) => [
    index("crm_deals_company").on(deal.company_id),
    index("crm_deals_owner").on(deal.owner_id),
    index("crm_deals_stage").on(deal.stage, deal.amount),
  ],
);
