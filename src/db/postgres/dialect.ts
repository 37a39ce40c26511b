import { sql, SQL, is } from "drizzle-orm";
import { PgDialect } from "drizzle-orm/pg-core";
import { isOfSubquery } from "../drizzle/expressions.ts";
import { selectedFields } from "../drizzle/session-parts.ts";
import { type Aggregate, decoderOf, toAggregate } from "../schema/aggregates.ts";

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
  const average = toAverage(aggregate);
  return { ...selected, field: is(field, SQL.Aliased) ? average.as(field.fieldAlias) : average };
}

/** By `avg()`, PostgreSQL gives some 16 digits, fewer than a large one has in all. */
function toAverage({ column, isDistinct, resultScale }: Aggregate): SQL {
  const distinct = sql.raw(isDistinct ? "distinct " : "");
  // The quotient has at least as many digits after the point as the dividend.
  const one = sql.raw(`1.${"0".repeat(resultScale)}`);
  return sql`round(sum(${distinct}${column}) * ${one} / count(${distinct}${column}), ${sql.raw(String(resultScale))})`;
}
