CREATE TABLE "account_links" (
	"id" varchar(64) NOT NULL,
	"user_id" bigint NOT NULL,
	"purpose" varchar(64) NOT NULL,
	"bound_hash" varchar(64),
	"data" jsonb NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"expires_at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "account_links_pkey" PRIMARY KEY("id"),
	CONSTRAINT "account_links_purpose_check" CHECK ("purpose" in ('reset_password', 'verify_email', 'change_email', 'undo_email_change', 'report_change', 'keep_account'))
);
--> statement-breakpoint
ALTER TABLE "users" ADD COLUMN "email_verified_at" timestamp (3) with time zone;
--> statement-breakpoint
ALTER TABLE "users" ADD COLUMN "locked_at" timestamp (3) with time zone;
--> statement-breakpoint
ALTER TABLE "users" ADD COLUMN "deletion_at" timestamp (3) with time zone;
--> statement-breakpoint
CREATE INDEX "users_deletion_at" ON "users" ("deletion_at");
--> statement-breakpoint
CREATE INDEX "account_links_user" ON "account_links" ("user_id", "purpose");
--> statement-breakpoint
CREATE INDEX "account_links_expiry" ON "account_links" ("expires_at");
--> statement-breakpoint
ALTER TABLE "account_links" ADD CONSTRAINT "account_links_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE cascade ON UPDATE no action;
