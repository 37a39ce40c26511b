import { sql, SQL, is } from "drizzle-orm";
import { PgDialect } from "drizzle-orm/pg-core";
import { isOfSubquery } from "../drizzle/expressions.ts";
import { selectedFields } from "../drizzle/session-parts.ts";
import { decoderOf, toAggregate } from "../schema/aggregates.ts";

type SelectConfig = Parameters<PgDialect["buildSelectQuery"]>[0];
type SelectedField = NonNullable<SelectConfig["fieldsFlat"]>[number];

/** PostgreSQL's SQL, with averages that have as many digits as on the other databases. */
export class PostgresDialect extends PgDialect {
  override buildSelectQuery(config: SelectConfig): SQL {
    const fieldsFlat = config.fieldsFlat ?? selectedFields<SelectedField>(config.fields);
    return super.buildSelectQuery({ ...config, fieldsFlat: fieldsFlat.map(withRoundedAverage) });
  }
}

function withRoundedAverage(selected: SelectedField): SelectedField {
  const { field } = selected;
  if (is(field, SQL.Aliased) && isOfSubquery(field)) return selected;
  const aggregate = toAggregate(field);
  if (aggregate?.kind !== "avg" || decoderOf(field) === null) return selected;
  const rounded = (average: SQL): SQL => sql`round(${average}, ${sql.raw(String(aggregate.resultScale))})`;
  if (is(field, SQL.Aliased)) return { ...selected, field: rounded(field.sql).as(field.fieldAlias) };
  return is(field, SQL) ? { ...selected, field: rounded(field) } : selected;
}
