CREATE TABLE "session_tickets" (
	"id" varchar(64) NOT NULL,
	"session_id" uuid NOT NULL,
	"expires_at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "session_tickets_pkey" PRIMARY KEY("id")
);
--> statement-breakpoint
ALTER TABLE "sessions" ADD COLUMN "identified_at" timestamp (3) with time zone;
--> statement-breakpoint
ALTER TABLE "sessions" ADD COLUMN "cookie_at" timestamp (3) with time zone;
--> statement-breakpoint
CREATE INDEX "session_tickets_session" ON "session_tickets" ("session_id");
--> statement-breakpoint
CREATE INDEX "session_tickets_expiry" ON "session_tickets" ("expires_at");
--> statement-breakpoint
ALTER TABLE "session_tickets" ADD CONSTRAINT "session_tickets_session_id_sessions_id_fk" FOREIGN KEY ("session_id") REFERENCES "sessions"("id") ON DELETE cascade ON UPDATE no action;
