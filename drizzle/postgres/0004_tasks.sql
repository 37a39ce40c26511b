CREATE TABLE "scheduled_tasks" (
	"name" varchar(130) NOT NULL,
	"plugin" varchar(64) NOT NULL,
	"expression" varchar(255) NOT NULL,
	"timezone" varchar(64),
	"is_paused" boolean DEFAULT false NOT NULL,
	"since_at" bigint NOT NULL,
	"seen_at" bigint NOT NULL,
	"last_due_at" bigint,
	"last_started_at" bigint,
	"last_ended_at" bigint,
	"last_duration_ms" bigint,
	"last_failed_at" bigint,
	"last_error" text,
	"runs" integer DEFAULT 0 NOT NULL,
	"failures" integer DEFAULT 0 NOT NULL,
	"skips" integer DEFAULT 0 NOT NULL,
	"run_id" uuid,
	"lease_at" bigint,
	CONSTRAINT "scheduled_tasks_pkey" PRIMARY KEY("name")
);
--> statement-breakpoint
CREATE TABLE "task_ticks" (
	"name" varchar(130) NOT NULL,
	"due_at" bigint NOT NULL,
	CONSTRAINT "task_ticks_pkey" PRIMARY KEY("name", "due_at")
);
