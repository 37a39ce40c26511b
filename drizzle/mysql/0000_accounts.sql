CREATE TABLE `users` (
	`id` bigint NOT NULL AUTO_INCREMENT,
	`email` varchar(255) NOT NULL,
	`full_name` varchar(255),
	`name_key` varchar(255),
	`password_hash` varchar(255),
	`is_active` boolean NOT NULL DEFAULT true,
	`failed_attempts` int NOT NULL DEFAULT 0,
	`locked_until` datetime(3),
	`last_login_at` datetime(3),
	`created_at` datetime(3) NOT NULL DEFAULT (utc_timestamp(3)),
	`updated_at` datetime(3) NOT NULL DEFAULT (utc_timestamp(3)),
	PRIMARY KEY (`id`),
	INDEX `users_name_key` (`name_key`),
	UNIQUE INDEX `users_email_unique` (`email`)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
--> statement-breakpoint
CREATE TABLE `roles` (
	`id` bigint NOT NULL AUTO_INCREMENT,
	`name` varchar(64) NOT NULL,
	`description` varchar(255) NOT NULL DEFAULT '',
	`is_builtin` boolean NOT NULL DEFAULT false,
	`requires_otp` boolean NOT NULL DEFAULT false,
	`created_at` datetime(3) NOT NULL DEFAULT (utc_timestamp(3)),
	`updated_at` datetime(3) NOT NULL DEFAULT (utc_timestamp(3)),
	PRIMARY KEY (`id`),
	UNIQUE INDEX `roles_name_unique` (`name`)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
--> statement-breakpoint
CREATE TABLE `role_permissions` (
	`role_id` bigint NOT NULL,
	`permission` varchar(128) NOT NULL,
	PRIMARY KEY (`role_id`, `permission`)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
--> statement-breakpoint
CREATE TABLE `user_roles` (
	`user_id` bigint NOT NULL,
	`role_id` bigint NOT NULL,
	PRIMARY KEY (`user_id`, `role_id`),
	INDEX `user_roles_role` (`role_id`)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
--> statement-breakpoint
CREATE TABLE `permissions` (
	`id` bigint NOT NULL AUTO_INCREMENT,
	`name` varchar(128) NOT NULL,
	`description` varchar(255) NOT NULL DEFAULT '',
	`owner` varchar(64) NOT NULL,
	PRIMARY KEY (`id`),
	UNIQUE INDEX `permissions_name_unique` (`name`)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
--> statement-breakpoint
CREATE TABLE `sessions` (
	`id` char(36) NOT NULL,
	`user_id` bigint NOT NULL,
	`refresh_hash` varchar(64) NOT NULL,
	`previous_hash` varchar(64),
	`rotated_at` datetime(3),
	`has_otp` boolean NOT NULL DEFAULT false,
	`ip_address` varchar(64) NOT NULL DEFAULT '',
	`user_agent` varchar(255) NOT NULL DEFAULT '',
	`created_at` datetime(3) NOT NULL DEFAULT (utc_timestamp(3)),
	`last_used_at` datetime(3) NOT NULL DEFAULT (utc_timestamp(3)),
	`expires_at` datetime(3) NOT NULL,
	`revoked_at` datetime(3),
	PRIMARY KEY (`id`),
	INDEX `sessions_user` (`user_id`),
	INDEX `sessions_expiry` (`expires_at`)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
--> statement-breakpoint
CREATE TABLE `otp_devices` (
	`id` bigint NOT NULL AUTO_INCREMENT,
	`user_id` bigint NOT NULL,
	`name` varchar(100) NOT NULL,
	`secret` longtext NOT NULL,
	`confirmed_at` datetime(3),
	`last_step` bigint NOT NULL DEFAULT 0,
	`created_at` datetime(3) NOT NULL DEFAULT (utc_timestamp(3)),
	PRIMARY KEY (`id`),
	INDEX `otp_devices_user` (`user_id`)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
--> statement-breakpoint
CREATE TABLE `recovery_codes` (
	`id` bigint NOT NULL AUTO_INCREMENT,
	`user_id` bigint NOT NULL,
	`code_hash` varchar(64) NOT NULL,
	`used_at` datetime(3),
	PRIMARY KEY (`id`),
	INDEX `recovery_codes_user` (`user_id`)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
--> statement-breakpoint
CREATE TABLE `api_keys` (
	`id` bigint NOT NULL AUTO_INCREMENT,
	`user_id` bigint NOT NULL,
	`name` varchar(100) NOT NULL,
	`prefix` varchar(16) NOT NULL,
	`key_hash` varchar(64) NOT NULL,
	`permissions` json NOT NULL,
	`expires_at` datetime(3),
	`last_used_at` datetime(3),
	`revoked_at` datetime(3),
	`created_at` datetime(3) NOT NULL DEFAULT (utc_timestamp(3)),
	PRIMARY KEY (`id`),
	INDEX `api_keys_user` (`user_id`),
	UNIQUE INDEX `api_keys_prefix_unique` (`prefix`)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
--> statement-breakpoint
CREATE TABLE `audit_log` (
	`id` bigint NOT NULL AUTO_INCREMENT,
	`at` datetime(3) NOT NULL DEFAULT (utc_timestamp(3)),
	`actor_id` bigint,
	`actor` varchar(255) NOT NULL DEFAULT '',
	`action` varchar(64) NOT NULL,
	`target_type` varchar(32) NOT NULL DEFAULT '',
	`target_id` varchar(64) NOT NULL DEFAULT '',
	`result` varchar(64) NOT NULL DEFAULT 'done',
	`ip_address` varchar(64) NOT NULL DEFAULT '',
	`user_agent` varchar(255) NOT NULL DEFAULT '',
	`before` json,
	`after` json,
	PRIMARY KEY (`id`),
	INDEX `audit_log_at` (`at`),
	INDEX `audit_log_actor` (`actor_id`, `at`),
	INDEX `audit_log_target` (`target_type`, `target_id`),
	CONSTRAINT `audit_log_result_check` CHECK (`result` in ('done', 'refused'))
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
--> statement-breakpoint
CREATE TABLE `access_changes` (
	`id` bigint NOT NULL AUTO_INCREMENT,
	`user_id` bigint,
	`at` datetime(3) NOT NULL DEFAULT (utc_timestamp(3)),
	PRIMARY KEY (`id`),
	INDEX `access_changes_at` (`at`)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
--> statement-breakpoint
ALTER TABLE `role_permissions` ADD CONSTRAINT `role_permissions_role_id_roles_id_fk` FOREIGN KEY (`role_id`) REFERENCES `roles` (`id`) ON DELETE cascade ON UPDATE no action;
--> statement-breakpoint
ALTER TABLE `user_roles` ADD CONSTRAINT `user_roles_user_id_users_id_fk` FOREIGN KEY (`user_id`) REFERENCES `users` (`id`) ON DELETE cascade ON UPDATE no action;
--> statement-breakpoint
ALTER TABLE `user_roles` ADD CONSTRAINT `user_roles_role_id_roles_id_fk` FOREIGN KEY (`role_id`) REFERENCES `roles` (`id`) ON DELETE cascade ON UPDATE no action;
--> statement-breakpoint
ALTER TABLE `sessions` ADD CONSTRAINT `sessions_user_id_users_id_fk` FOREIGN KEY (`user_id`) REFERENCES `users` (`id`) ON DELETE cascade ON UPDATE no action;
--> statement-breakpoint
ALTER TABLE `otp_devices` ADD CONSTRAINT `otp_devices_user_id_users_id_fk` FOREIGN KEY (`user_id`) REFERENCES `users` (`id`) ON DELETE cascade ON UPDATE no action;
--> statement-breakpoint
ALTER TABLE `recovery_codes` ADD CONSTRAINT `recovery_codes_user_id_users_id_fk` FOREIGN KEY (`user_id`) REFERENCES `users` (`id`) ON DELETE cascade ON UPDATE no action;
--> statement-breakpoint
ALTER TABLE `api_keys` ADD CONSTRAINT `api_keys_user_id_users_id_fk` FOREIGN KEY (`user_id`) REFERENCES `users` (`id`) ON DELETE cascade ON UPDATE no action;
