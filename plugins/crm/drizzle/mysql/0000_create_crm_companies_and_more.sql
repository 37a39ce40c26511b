CREATE TABLE `crm_companies` (
	`id` bigint NOT NULL AUTO_INCREMENT,
	`name` varchar(200) NOT NULL,
	`city` varchar(100),
	`notes` longtext,
	PRIMARY KEY (`id`),
	UNIQUE INDEX `crm_companies_name_unique` (`name`)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
--> statement-breakpoint
CREATE TABLE `crm_contacts` (
	`id` bigint NOT NULL AUTO_INCREMENT,
	`name` varchar(200) NOT NULL,
	`email` varchar(255),
	`company_id` bigint NOT NULL,
	PRIMARY KEY (`id`),
	INDEX `crm_contacts_company` (`company_id`)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
--> statement-breakpoint
CREATE TABLE `crm_deals` (
	`id` bigint NOT NULL AUTO_INCREMENT,
	`title` varchar(200) NOT NULL,
	`stage` varchar(64) NOT NULL DEFAULT 'open',
	`amount` decimal(15,2) NOT NULL,
	`margin` decimal(15,2),
	`starts_on` date,
	`close_on` date,
	`company_id` bigint NOT NULL,
	`contact_id` bigint,
	`owner_id` bigint NOT NULL,
	`created_at` datetime(3) NOT NULL DEFAULT (utc_timestamp(3)),
	PRIMARY KEY (`id`),
	INDEX `crm_deals_company` (`company_id`),
	INDEX `crm_deals_owner` (`owner_id`),
	INDEX `crm_deals_stage` (`stage`, `amount`),
	INDEX `crm_deals_contact_id_crm_contacts_id_fk` (`contact_id`),
	CONSTRAINT `crm_deals_stage_check` CHECK (`stage` in ('open', 'won', 'lost'))
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
--> statement-breakpoint
ALTER TABLE `crm_contacts` ADD CONSTRAINT `crm_contacts_company_id_crm_companies_id_fk` FOREIGN KEY (`company_id`) REFERENCES `crm_companies` (`id`) ON DELETE cascade ON UPDATE no action;
--> statement-breakpoint
ALTER TABLE `crm_deals` ADD CONSTRAINT `crm_deals_company_id_crm_companies_id_fk` FOREIGN KEY (`company_id`) REFERENCES `crm_companies` (`id`) ON DELETE no action ON UPDATE no action;
--> statement-breakpoint
ALTER TABLE `crm_deals` ADD CONSTRAINT `crm_deals_contact_id_crm_contacts_id_fk` FOREIGN KEY (`contact_id`) REFERENCES `crm_contacts` (`id`) ON DELETE set null ON UPDATE no action;
--> statement-breakpoint
ALTER TABLE `crm_deals` ADD CONSTRAINT `crm_deals_owner_id_users_id_fk` FOREIGN KEY (`owner_id`) REFERENCES `users` (`id`) ON DELETE no action ON UPDATE no action;
