CREATE TABLE "plugin_states" (
	"name" varchar(64) NOT NULL,
	"is_active" boolean,
	"settings" jsonb,
	"changed_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "plugin_states_pkey" PRIMARY KEY("name")
);
