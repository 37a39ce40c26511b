CREATE TABLE `saved_views` (
	`id` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`resource` text(128) NOT NULL,
	`user_id` integer,
	`scope` integer NOT NULL,
	`name` text(100) NOT NULL,
	`columns` text,
	`query` text NOT NULL,
	`mode` text NOT NULL,
	`version` integer DEFAULT 1 NOT NULL,
	`created_at` integer DEFAULT (cast(unixepoch('subsec') * 1000 as integer)) NOT NULL,
	`updated_at` integer DEFAULT (cast(unixepoch('subsec') * 1000 as integer)) NOT NULL,
	CONSTRAINT `saved_views_user_id_users_id_fk` FOREIGN KEY (`user_id`) REFERENCES `users`(`id`) ON UPDATE no action ON DELETE cascade,
	CONSTRAINT `saved_views_resource_length` CHECK(length("resource") <= 128),
	CONSTRAINT `saved_views_name_length` CHECK(length("name") <= 100),
	CONSTRAINT `saved_views_mode_check` CHECK("mode" in ('paged', 'endless'))
);
--> statement-breakpoint
CREATE INDEX `saved_views_user` ON `saved_views` (`user_id`);
--> statement-breakpoint
CREATE UNIQUE INDEX `saved_views_name` ON `saved_views` (`resource`, `scope`, `name`);
--> statement-breakpoint
CREATE TABLE `saved_view_defaults` (
	`user_id` integer NOT NULL,
	`resource` text(128) NOT NULL,
	`view_id` integer NOT NULL,
	PRIMARY KEY(`user_id`, `resource`),
	CONSTRAINT `saved_view_defaults_user_id_users_id_fk` FOREIGN KEY (`user_id`) REFERENCES `users`(`id`) ON UPDATE no action ON DELETE cascade,
	CONSTRAINT `saved_view_defaults_view_id_saved_views_id_fk` FOREIGN KEY (`view_id`) REFERENCES `saved_views`(`id`) ON UPDATE no action ON DELETE cascade,
	CONSTRAINT `saved_view_defaults_resource_length` CHECK(length("resource") <= 128)
);
--> statement-breakpoint
CREATE INDEX `saved_view_defaults_view` ON `saved_view_defaults` (`view_id`);
