CREATE TABLE "mails" (
	"id" uuid NOT NULL,
	"plugin" varchar(64) NOT NULL,
	"template" varchar(128) NOT NULL,
	"language" varchar(8) NOT NULL,
	"recipient" varchar(255) NOT NULL,
	"subject" varchar(255) NOT NULL,
	"state" varchar(64) NOT NULL,
	"content" text,
	"attempts" integer DEFAULT 0 NOT NULL,
	"job_id" uuid,
	"claimed_at" timestamp (3) with time zone,
	"response" varchar(255),
	"error" text,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"due_at" timestamp (3) with time zone,
	"expires_at" timestamp (3) with time zone,
	"ended_at" timestamp (3) with time zone,
	CONSTRAINT "mails_pkey" PRIMARY KEY("id"),
	CONSTRAINT "mails_state_check" CHECK ("state" in ('waiting', 'sending', 'sent', 'failed', 'unknown', 'logged', 'cancelled'))
);
--> statement-breakpoint
CREATE INDEX "mails_state" ON "mails" ("state", "id");
--> statement-breakpoint
CREATE INDEX "mails_recipient" ON "mails" ("recipient", "claimed_at");
--> statement-breakpoint
CREATE INDEX "mails_ended" ON "mails" ("ended_at");
