CREATE TABLE "number_series" (
	"name" varchar(255) NOT NULL,
	"last" bigint NOT NULL,
	CONSTRAINT "number_series_pkey" PRIMARY KEY("name")
);
