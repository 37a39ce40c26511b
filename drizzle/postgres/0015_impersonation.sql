ALTER TABLE "sessions" ADD COLUMN "viewer_session_id" uuid;
--> statement-breakpoint
CREATE INDEX "sessions_viewer" ON "sessions" ("viewer_session_id");
--> statement-breakpoint
ALTER TABLE "audit_log" ADD COLUMN "viewer_id" bigint;
--> statement-breakpoint
ALTER TABLE "audit_log" ADD COLUMN "viewer" text;
--> statement-breakpoint
CREATE INDEX "audit_log_viewer" ON "audit_log" ("viewer_id", "at");
--> statement-breakpoint
ALTER TABLE "resource_history" ADD COLUMN "viewer_id" bigint;
