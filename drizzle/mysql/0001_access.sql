CREATE TABLE `guard_roles` (
	`plugin` varchar(64) NOT NULL,
	`role` varchar(64) NOT NULL,
	PRIMARY KEY (`plugin`, `role`),
	INDEX `guard_roles_role` (`role`)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
--> statement-breakpoint
CREATE TABLE `login_failures` (
	`name_hash` varchar(64) NOT NULL,
	`address` varchar(64) NOT NULL,
	`failed` int NOT NULL DEFAULT 0,
	`counted_at` datetime(3) NOT NULL DEFAULT (utc_timestamp(3)),
	`locked_until` datetime(3),
	PRIMARY KEY (`name_hash`, `address`),
	INDEX `login_failures_counted_at` (`counted_at`)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
--> statement-breakpoint
ALTER TABLE `users`
	DROP COLUMN `failed_attempts`,
	DROP COLUMN `locked_until`,
	ADD COLUMN `has_long_password` boolean;
--> statement-breakpoint
ALTER TABLE `sessions`
	ADD COLUMN `otp_at` datetime(3);
--> statement-breakpoint
INSERT INTO role_permissions (role_id, permission) SELECT DISTINCT old.role_id, 'plugins:read' FROM role_permissions old WHERE old.permission IN ('system:plugins', 'system:*') AND NOT EXISTS (SELECT 1 FROM role_permissions held WHERE held.role_id = old.role_id AND held.permission = 'plugins:read');
--> statement-breakpoint
INSERT INTO role_permissions (role_id, permission) SELECT DISTINCT old.role_id, 'plugins:switch' FROM role_permissions old WHERE old.permission IN ('system:plugins', 'system:*') AND NOT EXISTS (SELECT 1 FROM role_permissions held WHERE held.role_id = old.role_id AND held.permission = 'plugins:switch');
--> statement-breakpoint
DELETE FROM role_permissions WHERE permission = 'system:plugins';
--> statement-breakpoint
DELETE FROM permissions WHERE name = 'system:plugins' AND owner = 'core';
