CREATE TABLE `guard_roles` (
	`plugin` text(64) NOT NULL,
	`role` text(64) NOT NULL,
	PRIMARY KEY(`plugin`, `role`),
	CONSTRAINT `guard_roles_plugin_length` CHECK(length("plugin") <= 64),
	CONSTRAINT `guard_roles_role_length` CHECK(length("role") <= 64)
);
--> statement-breakpoint
CREATE INDEX `guard_roles_role` ON `guard_roles` (`role`);
--> statement-breakpoint
CREATE TABLE `login_failures` (
	`name_hash` text(64) NOT NULL,
	`address` text(64) NOT NULL,
	`failed` integer DEFAULT 0 NOT NULL,
	`counted_at` integer DEFAULT (cast(unixepoch('subsec') * 1000 as integer)) NOT NULL,
	`locked_until` integer,
	PRIMARY KEY(`name_hash`, `address`),
	CONSTRAINT `login_failures_name_hash_length` CHECK(length("name_hash") <= 64),
	CONSTRAINT `login_failures_address_length` CHECK(length("address") <= 64)
);
--> statement-breakpoint
CREATE INDEX `login_failures_counted_at` ON `login_failures` (`counted_at`);
--> statement-breakpoint
CREATE TABLE `__xcore_new_users` (
	`id` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`email` text(255) NOT NULL,
	`full_name` text(255),
	`name_key` text(255),
	`password_hash` text(255),
	`has_long_password` integer,
	`is_active` integer DEFAULT 1 NOT NULL,
	`last_login_at` integer,
	`created_at` integer DEFAULT (cast(unixepoch('subsec') * 1000 as integer)) NOT NULL,
	`updated_at` integer DEFAULT (cast(unixepoch('subsec') * 1000 as integer)) NOT NULL,
	CONSTRAINT `users_email_length` CHECK(length("email") <= 255),
	CONSTRAINT `users_full_name_length` CHECK(length("full_name") <= 255),
	CONSTRAINT `users_name_key_length` CHECK(length("name_key") <= 255),
	CONSTRAINT `users_password_hash_length` CHECK(length("password_hash") <= 255)
);
--> statement-breakpoint
INSERT INTO `__xcore_new_users`(`id`, `email`, `full_name`, `name_key`, `password_hash`, `is_active`, `last_login_at`, `created_at`, `updated_at`) SELECT `id`, `email`, `full_name`, `name_key`, `password_hash`, `is_active`, `last_login_at`, `created_at`, `updated_at` FROM `users`;
--> statement-breakpoint
DELETE FROM sqlite_sequence WHERE name = '__xcore_new_users';
--> statement-breakpoint
INSERT INTO sqlite_sequence(name, seq) SELECT '__xcore_new_users', seq FROM sqlite_sequence WHERE name = 'users';
--> statement-breakpoint
DROP TABLE `users`;
--> statement-breakpoint
ALTER TABLE `__xcore_new_users` RENAME TO `users`;
--> statement-breakpoint
CREATE INDEX `users_name_key` ON `users` (`name_key`);
--> statement-breakpoint
CREATE UNIQUE INDEX `users_email_unique` ON `users` (`email`);
--> statement-breakpoint
ALTER TABLE `sessions` ADD `otp_at` integer;
--> statement-breakpoint
INSERT INTO role_permissions (role_id, permission) SELECT DISTINCT old.role_id, 'plugins:read' FROM role_permissions old WHERE old.permission IN ('system:plugins', 'system:*') AND NOT EXISTS (SELECT 1 FROM role_permissions held WHERE held.role_id = old.role_id AND held.permission = 'plugins:read');
--> statement-breakpoint
INSERT INTO role_permissions (role_id, permission) SELECT DISTINCT old.role_id, 'plugins:switch' FROM role_permissions old WHERE old.permission IN ('system:plugins', 'system:*') AND NOT EXISTS (SELECT 1 FROM role_permissions held WHERE held.role_id = old.role_id AND held.permission = 'plugins:switch');
--> statement-breakpoint
DELETE FROM role_permissions WHERE permission = 'system:plugins';
--> statement-breakpoint
DELETE FROM permissions WHERE name = 'system:plugins' AND owner = 'core';
