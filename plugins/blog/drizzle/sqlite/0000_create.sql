CREATE TABLE `blog_authors` (
	`id` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`name` text(120) NOT NULL,
	`email` text(255) NOT NULL,
	CONSTRAINT `blog_authors_name_length` CHECK(length("name") <= 120),
	CONSTRAINT `blog_authors_email_length` CHECK(length("email") <= 255)
);
--> statement-breakpoint
CREATE UNIQUE INDEX `blog_authors_email_unique` ON `blog_authors` (`email`);
--> statement-breakpoint
CREATE TABLE `blog_articles` (
	`id` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`title` text(255) NOT NULL,
	`body` text,
	`status` text DEFAULT 'draft' NOT NULL,
	`author_id` integer NOT NULL,
	`created_at` integer DEFAULT (cast(unixepoch('subsec') * 1000 as integer)) NOT NULL,
	CONSTRAINT `blog_articles_author_id_blog_authors_id_fk` FOREIGN KEY (`author_id`) REFERENCES `blog_authors`(`id`) ON UPDATE no action ON DELETE no action,
	CONSTRAINT `blog_articles_title_length` CHECK(length("title") <= 255),
	CONSTRAINT `blog_articles_status_check` CHECK("status" in ('draft', 'published'))
);
--> statement-breakpoint
CREATE INDEX `blog_articles_author` ON `blog_articles` (`author_id`, `created_at`);
