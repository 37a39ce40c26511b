CREATE TABLE `users` (
	`id` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`email` text(255) NOT NULL,
	`full_name` text(255),
	`name_key` text(255),
	`password_hash` text(255),
	`is_active` integer DEFAULT 1 NOT NULL,
	`failed_attempts` integer DEFAULT 0 NOT NULL,
	`locked_until` integer,
	`last_login_at` integer,
	`created_at` integer DEFAULT (cast(unixepoch('subsec') * 1000 as integer)) NOT NULL,
	`updated_at` integer DEFAULT (cast(unixepoch('subsec') * 1000 as integer)) NOT NULL,
	CONSTRAINT `users_email_length` CHECK(length("email") <= 255),
	CONSTRAINT `users_full_name_length` CHECK(length("full_name") <= 255),
	CONSTRAINT `users_name_key_length` CHECK(length("name_key") <= 255),
	CONSTRAINT `users_password_hash_length` CHECK(length("password_hash") <= 255)
);
--> statement-breakpoint
CREATE INDEX `users_name_key` ON `users` (`name_key`);
--> statement-breakpoint
CREATE UNIQUE INDEX `users_email_unique` ON `users` (`email`);
--> statement-breakpoint
CREATE TABLE `roles` (
	`id` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`name` text(64) NOT NULL,
	`description` text(255) DEFAULT '' NOT NULL,
	`is_builtin` integer DEFAULT 0 NOT NULL,
	`requires_otp` integer DEFAULT 0 NOT NULL,
	`created_at` integer DEFAULT (cast(unixepoch('subsec') * 1000 as integer)) NOT NULL,
	`updated_at` integer DEFAULT (cast(unixepoch('subsec') * 1000 as integer)) NOT NULL,
	CONSTRAINT `roles_name_length` CHECK(length("name") <= 64),
	CONSTRAINT `roles_description_length` CHECK(length("description") <= 255)
);
--> statement-breakpoint
CREATE UNIQUE INDEX `roles_name_unique` ON `roles` (`name`);
--> statement-breakpoint
CREATE TABLE `role_permissions` (
	`role_id` integer NOT NULL,
	`permission` text(128) NOT NULL,
	PRIMARY KEY(`role_id`, `permission`),
	CONSTRAINT `role_permissions_role_id_roles_id_fk` FOREIGN KEY (`role_id`) REFERENCES `roles`(`id`) ON UPDATE no action ON DELETE cascade,
	CONSTRAINT `role_permissions_permission_length` CHECK(length("permission") <= 128)
);
--> statement-breakpoint
CREATE TABLE `user_roles` (
	`user_id` integer NOT NULL,
	`role_id` integer NOT NULL,
	PRIMARY KEY(`user_id`, `role_id`),
	CONSTRAINT `user_roles_user_id_users_id_fk` FOREIGN KEY (`user_id`) REFERENCES `users`(`id`) ON UPDATE no action ON DELETE cascade,
	CONSTRAINT `user_roles_role_id_roles_id_fk` FOREIGN KEY (`role_id`) REFERENCES `roles`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE INDEX `user_roles_role` ON `user_roles` (`role_id`);
--> statement-breakpoint
CREATE TABLE `permissions` (
	`id` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`name` text(128) NOT NULL,
	`description` text(255) DEFAULT '' NOT NULL,
	`owner` text(64) NOT NULL,
	CONSTRAINT `permissions_name_length` CHECK(length("name") <= 128),
	CONSTRAINT `permissions_description_length` CHECK(length("description") <= 255),
	CONSTRAINT `permissions_owner_length` CHECK(length("owner") <= 64)
);
--> statement-breakpoint
CREATE UNIQUE INDEX `permissions_name_unique` ON `permissions` (`name`);
--> statement-breakpoint
CREATE TABLE `sessions` (
	`id` text PRIMARY KEY NOT NULL,
	`user_id` integer NOT NULL,
	`refresh_hash` text(64) NOT NULL,
	`previous_hash` text(64),
	`rotated_at` integer,
	`has_otp` integer DEFAULT 0 NOT NULL,
	`ip_address` text(64) DEFAULT '' NOT NULL,
	`user_agent` text(255) DEFAULT '' NOT NULL,
	`created_at` integer DEFAULT (cast(unixepoch('subsec') * 1000 as integer)) NOT NULL,
	`last_used_at` integer DEFAULT (cast(unixepoch('subsec') * 1000 as integer)) NOT NULL,
	`expires_at` integer NOT NULL,
	`revoked_at` integer,
	CONSTRAINT `sessions_user_id_users_id_fk` FOREIGN KEY (`user_id`) REFERENCES `users`(`id`) ON UPDATE no action ON DELETE cascade,
	CONSTRAINT `sessions_refresh_hash_length` CHECK(length("refresh_hash") <= 64),
	CONSTRAINT `sessions_previous_hash_length` CHECK(length("previous_hash") <= 64),
	CONSTRAINT `sessions_ip_address_length` CHECK(length("ip_address") <= 64),
	CONSTRAINT `sessions_user_agent_length` CHECK(length("user_agent") <= 255)
);
--> statement-breakpoint
CREATE INDEX `sessions_user` ON `sessions` (`user_id`);
--> statement-breakpoint
CREATE INDEX `sessions_expiry` ON `sessions` (`expires_at`);
--> statement-breakpoint
CREATE TABLE `otp_devices` (
	`id` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`user_id` integer NOT NULL,
	`name` text(100) NOT NULL,
	`secret` text NOT NULL,
	`confirmed_at` integer,
	`last_step` integer DEFAULT 0 NOT NULL,
	`created_at` integer DEFAULT (cast(unixepoch('subsec') * 1000 as integer)) NOT NULL,
	CONSTRAINT `otp_devices_user_id_users_id_fk` FOREIGN KEY (`user_id`) REFERENCES `users`(`id`) ON UPDATE no action ON DELETE cascade,
	CONSTRAINT `otp_devices_name_length` CHECK(length("name") <= 100)
);
--> statement-breakpoint
CREATE INDEX `otp_devices_user` ON `otp_devices` (`user_id`);
--> statement-breakpoint
CREATE TABLE `recovery_codes` (
	`id` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`user_id` integer NOT NULL,
	`code_hash` text(64) NOT NULL,
	`used_at` integer,
	CONSTRAINT `recovery_codes_user_id_users_id_fk` FOREIGN KEY (`user_id`) REFERENCES `users`(`id`) ON UPDATE no action ON DELETE cascade,
	CONSTRAINT `recovery_codes_code_hash_length` CHECK(length("code_hash") <= 64)
);
--> statement-breakpoint
CREATE INDEX `recovery_codes_user` ON `recovery_codes` (`user_id`);
--> statement-breakpoint
CREATE TABLE `api_keys` (
	`id` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`user_id` integer NOT NULL,
	`name` text(100) NOT NULL,
	`prefix` text(16) NOT NULL,
	`key_hash` text(64) NOT NULL,
	`permissions` text NOT NULL,
	`expires_at` integer,
	`last_used_at` integer,
	`revoked_at` integer,
	`created_at` integer DEFAULT (cast(unixepoch('subsec') * 1000 as integer)) NOT NULL,
	CONSTRAINT `api_keys_user_id_users_id_fk` FOREIGN KEY (`user_id`) REFERENCES `users`(`id`) ON UPDATE no action ON DELETE cascade,
	CONSTRAINT `api_keys_name_length` CHECK(length("name") <= 100),
	CONSTRAINT `api_keys_prefix_length` CHECK(length("prefix") <= 16),
	CONSTRAINT `api_keys_key_hash_length` CHECK(length("key_hash") <= 64)
);
--> statement-breakpoint
CREATE INDEX `api_keys_user` ON `api_keys` (`user_id`);
--> statement-breakpoint
CREATE UNIQUE INDEX `api_keys_prefix_unique` ON `api_keys` (`prefix`);
--> statement-breakpoint
CREATE TABLE `audit_log` (
	`id` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`at` integer DEFAULT (cast(unixepoch('subsec') * 1000 as integer)) NOT NULL,
	`actor_id` integer,
	`actor` text(255) DEFAULT '' NOT NULL,
	`action` text(64) NOT NULL,
	`target_type` text(32) DEFAULT '' NOT NULL,
	`target_id` text(64) DEFAULT '' NOT NULL,
	`result` text DEFAULT 'done' NOT NULL,
	`ip_address` text(64) DEFAULT '' NOT NULL,
	`user_agent` text(255) DEFAULT '' NOT NULL,
	`before` text,
	`after` text,
	CONSTRAINT `audit_log_actor_length` CHECK(length("actor") <= 255),
	CONSTRAINT `audit_log_action_length` CHECK(length("action") <= 64),
	CONSTRAINT `audit_log_target_type_length` CHECK(length("target_type") <= 32),
	CONSTRAINT `audit_log_target_id_length` CHECK(length("target_id") <= 64),
	CONSTRAINT `audit_log_result_check` CHECK("result" in ('done', 'refused')),
	CONSTRAINT `audit_log_ip_address_length` CHECK(length("ip_address") <= 64),
	CONSTRAINT `audit_log_user_agent_length` CHECK(length("user_agent") <= 255)
);
--> statement-breakpoint
CREATE INDEX `audit_log_at` ON `audit_log` (`at`);
--> statement-breakpoint
CREATE INDEX `audit_log_actor` ON `audit_log` (`actor_id`, `at`);
--> statement-breakpoint
CREATE INDEX `audit_log_target` ON `audit_log` (`target_type`, `target_id`);
--> statement-breakpoint
CREATE TABLE `access_changes` (
	`id` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`user_id` integer,
	`at` integer DEFAULT (cast(unixepoch('subsec') * 1000 as integer)) NOT NULL
);
--> statement-breakpoint
CREATE INDEX `access_changes_at` ON `access_changes` (`at`);
