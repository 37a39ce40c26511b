CREATE TABLE "guard_roles" (
	"plugin" varchar(64) NOT NULL,
	"role" varchar(64) NOT NULL,
	CONSTRAINT "guard_roles_pkey" PRIMARY KEY("plugin", "role")
);
--> statement-breakpoint
CREATE TABLE "login_failures" (
	"name_hash" varchar(64) NOT NULL,
	"address" varchar(64) NOT NULL,
	"failed" integer DEFAULT 0 NOT NULL,
	"counted_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"locked_until" timestamp (3) with time zone,
	CONSTRAINT "login_failures_pkey" PRIMARY KEY("name_hash", "address")
);
--> statement-breakpoint
ALTER TABLE "users" DROP COLUMN "failed_attempts";
--> statement-breakpoint
ALTER TABLE "users" DROP COLUMN "locked_until";
--> statement-breakpoint
ALTER TABLE "users" ADD COLUMN "has_long_password" boolean;
--> statement-breakpoint
ALTER TABLE "sessions" ADD COLUMN "otp_at" timestamp (3) with time zone;
--> statement-breakpoint
CREATE INDEX "guard_roles_role" ON "guard_roles" ("role");
--> statement-breakpoint
CREATE INDEX "login_failures_counted_at" ON "login_failures" ("counted_at");
--> statement-breakpoint
INSERT INTO role_permissions (role_id, permission) SELECT DISTINCT old.role_id, 'plugins:read' FROM role_permissions old WHERE old.permission IN ('system:plugins', 'system:*') AND NOT EXISTS (SELECT 1 FROM role_permissions held WHERE held.role_id = old.role_id AND held.permission = 'plugins:read');
--> statement-breakpoint
INSERT INTO role_permissions (role_id, permission) SELECT DISTINCT old.role_id, 'plugins:switch' FROM role_permissions old WHERE old.permission IN ('system:plugins', 'system:*') AND NOT EXISTS (SELECT 1 FROM role_permissions held WHERE held.role_id = old.role_id AND held.permission = 'plugins:switch');
--> statement-breakpoint
DELETE FROM role_permissions WHERE permission = 'system:plugins';
--> statement-breakpoint
DELETE FROM permissions WHERE name = 'system:plugins' AND owner = 'core';
