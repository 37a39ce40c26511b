CREATE TABLE `saved_views` (
	`id` bigint NOT NULL AUTO_INCREMENT,
	`resource` varchar(128) NOT NULL,
	`user_id` bigint,
	`scope` bigint NOT NULL,
	`name` varchar(100) NOT NULL,
	`columns` longtext,
	`query` longtext NOT NULL,
	`mode` varchar(64) NOT NULL,
	`version` int NOT NULL DEFAULT 1,
	`created_at` datetime(3) NOT NULL DEFAULT (utc_timestamp(3)),
	`updated_at` datetime(3) NOT NULL DEFAULT (utc_timestamp(3)),
	PRIMARY KEY (`id`),
	INDEX `saved_views_user` (`user_id`),
	UNIQUE INDEX `saved_views_name` (`resource`, `scope`, `name`),
	CONSTRAINT `saved_views_mode_check` CHECK (`mode` in ('paged', 'endless'))
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
--> statement-breakpoint
CREATE TABLE `saved_view_defaults` (
	`user_id` bigint NOT NULL,
	`resource` varchar(128) NOT NULL,
	`view_id` bigint NOT NULL,
	PRIMARY KEY (`user_id`, `resource`),
	INDEX `saved_view_defaults_view` (`view_id`)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
--> statement-breakpoint
ALTER TABLE `saved_views` ADD CONSTRAINT `saved_views_user_id_users_id_fk` FOREIGN KEY (`user_id`) REFERENCES `users` (`id`) ON DELETE cascade ON UPDATE no action;
--> statement-breakpoint
ALTER TABLE `saved_view_defaults` ADD CONSTRAINT `saved_view_defaults_user_id_users_id_fk` FOREIGN KEY (`user_id`) REFERENCES `users` (`id`) ON DELETE cascade ON UPDATE no action;
--> statement-breakpoint
ALTER TABLE `saved_view_defaults` ADD CONSTRAINT `saved_view_defaults_view_id_saved_views_id_fk` FOREIGN KEY (`view_id`) REFERENCES `saved_views` (`id`) ON DELETE cascade ON UPDATE no action;
