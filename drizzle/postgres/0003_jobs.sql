CREATE TABLE "jobs" (
	"id" uuid NOT NULL,
	"name" varchar(130) NOT NULL,
	"state" varchar(64) NOT NULL,
	"rank" integer DEFAULT 0 NOT NULL,
	"due_at" bigint,
	"payload" text NOT NULL,
	"attempt" integer DEFAULT 0 NOT NULL,
	"lost" integer DEFAULT 0 NOT NULL,
	"worker" uuid,
	"unique_hash" varchar(64),
	"lane" varchar(64),
	"held_lane" varchar(64),
	"batch_id" uuid,
	"awaits_id" uuid,
	"next_id" uuid,
	"progress" integer,
	"progress_text" varchar(255),
	"error" text,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"started_at" timestamp (3) with time zone,
	"ended_at" timestamp (3) with time zone,
	CONSTRAINT "jobs_pkey" PRIMARY KEY("id"),
	CONSTRAINT "jobs_unique_hash_unique" UNIQUE("unique_hash"),
	CONSTRAINT "jobs_held_lane_unique" UNIQUE("held_lane"),
	CONSTRAINT "jobs_state_check" CHECK ("state" in ('waiting', 'delayed', 'blocked', 'running', 'completed', 'dead', 'cancelled', 'incompatible'))
);
--> statement-breakpoint
CREATE TABLE "job_steps" (
	"job_id" uuid NOT NULL,
	"name" varchar(128) NOT NULL,
	"result" text,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "job_steps_pkey" PRIMARY KEY("job_id", "name")
);
--> statement-breakpoint
CREATE TABLE "job_batches" (
	"id" uuid NOT NULL,
	"callback_id" uuid NOT NULL,
	"total" integer NOT NULL,
	"pending" integer NOT NULL,
	"failed" integer DEFAULT 0 NOT NULL,
	CONSTRAINT "job_batches_pkey" PRIMARY KEY("id")
);
--> statement-breakpoint
CREATE TABLE "job_limits" (
	"name" varchar(130) NOT NULL,
	"window_at" bigint DEFAULT 0 NOT NULL,
	"started" integer DEFAULT 0 NOT NULL,
	CONSTRAINT "job_limits_pkey" PRIMARY KEY("name")
);
--> statement-breakpoint
CREATE INDEX "jobs_waiting" ON "jobs" ("name", "state", "rank", "id");
--> statement-breakpoint
CREATE INDEX "jobs_due" ON "jobs" ("state", "due_at");
