CREATE TABLE `blog_authors` (
	`id` bigint NOT NULL AUTO_INCREMENT,
	`name` varchar(120) NOT NULL,
	`email` varchar(255) NOT NULL,
	PRIMARY KEY (`id`),
	UNIQUE INDEX `blog_authors_email_unique` (`email`)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
--> statement-breakpoint
CREATE TABLE `blog_articles` (
	`id` bigint NOT NULL AUTO_INCREMENT,
	`title` varchar(255) NOT NULL,
	`body` longtext,
	`status` varchar(64) NOT NULL DEFAULT 'draft',
	`author_id` bigint NOT NULL,
	`created_at` datetime(3) NOT NULL DEFAULT (utc_timestamp(3)),
	PRIMARY KEY (`id`),
	INDEX `blog_articles_author` (`author_id`, `created_at`),
	CONSTRAINT `blog_articles_status_check` CHECK (`status` in ('draft', 'published'))
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
--> statement-breakpoint
ALTER TABLE `blog_articles` ADD CONSTRAINT `blog_articles_author_id_blog_authors_id_fk` FOREIGN KEY (`author_id`) REFERENCES `blog_authors` (`id`) ON DELETE no action ON UPDATE no action;
