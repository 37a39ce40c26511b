CREATE TABLE `crm_companies` (
	`id` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`name` text(200) NOT NULL,
	`city` text(100),
	`notes` text,
	CONSTRAINT `crm_companies_name_length` CHECK(length("name") <= 200),
	CONSTRAINT `crm_companies_city_length` CHECK(length("city") <= 100)
);
--> statement-breakpoint
CREATE UNIQUE INDEX `crm_companies_name_unique` ON `crm_companies` (`name`);
--> statement-breakpoint
CREATE TABLE `crm_contacts` (
	`id` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`name` text(200) NOT NULL,
	`email` text(255),
	`company_id` integer NOT NULL,
	CONSTRAINT `crm_contacts_company_id_crm_companies_id_fk` FOREIGN KEY (`company_id`) REFERENCES `crm_companies`(`id`) ON UPDATE no action ON DELETE cascade,
	CONSTRAINT `crm_contacts_name_length` CHECK(length("name") <= 200),
	CONSTRAINT `crm_contacts_email_length` CHECK(length("email") <= 255)
);
--> statement-breakpoint
CREATE INDEX `crm_contacts_company` ON `crm_contacts` (`company_id`);
--> statement-breakpoint
CREATE TABLE `crm_deals` (
	`id` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`title` text(200) NOT NULL,
	`stage` text DEFAULT 'open' NOT NULL,
	`amount` numeric(15, 2) NOT NULL,
	`margin` numeric(15, 2),
	`starts_on` text,
	`close_on` text,
	`company_id` integer NOT NULL,
	`contact_id` integer,
	`owner_id` integer NOT NULL,
	`created_at` integer DEFAULT (cast(unixepoch('subsec') * 1000 as integer)) NOT NULL,
	CONSTRAINT `crm_deals_company_id_crm_companies_id_fk` FOREIGN KEY (`company_id`) REFERENCES `crm_companies`(`id`) ON UPDATE no action ON DELETE no action,
	CONSTRAINT `crm_deals_contact_id_crm_contacts_id_fk` FOREIGN KEY (`contact_id`) REFERENCES `crm_contacts`(`id`) ON UPDATE no action ON DELETE set null,
	CONSTRAINT `crm_deals_owner_id_users_id_fk` FOREIGN KEY (`owner_id`) REFERENCES `users`(`id`) ON UPDATE no action ON DELETE no action,
	CONSTRAINT `crm_deals_title_length` CHECK(length("title") <= 200),
	CONSTRAINT `crm_deals_stage_check` CHECK("stage" in ('open', 'won', 'lost'))
);
--> statement-breakpoint
CREATE INDEX `crm_deals_company` ON `crm_deals` (`company_id`);
--> statement-breakpoint
CREATE INDEX `crm_deals_owner` ON `crm_deals` (`owner_id`);
--> statement-breakpoint
CREATE INDEX `crm_deals_stage` ON `crm_deals` (`stage`, `amount`);
