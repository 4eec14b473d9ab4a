-- The names of ClickHouse's functions for DuckDB, so that each metric is one text for both; those that neither has are in
-- clickhouse_macros.sql, too. Sets of players, of which only sizes are asked, are in sets_of_bits.sql
-- and sets_of_lists.sql.
CREATE OR REPLACE MACRO uniqExact(x) AS count(DISTINCT x);
CREATE OR REPLACE MACRO countIf(c) AS count(*) FILTER (WHERE c);
CREATE OR REPLACE MACRO sumIf(x, c) AS sum(x) FILTER (WHERE c);
CREATE OR REPLACE MACRO avgIf(x, c) AS avg(x) FILTER (WHERE c);
CREATE OR REPLACE MACRO minIf(x, c) AS min(x) FILTER (WHERE c);
CREATE OR REPLACE MACRO uniqExactIf(x, c) AS count(DISTINCT x) FILTER (WHERE c);
CREATE OR REPLACE MACRO argMin(x, y) AS arg_min(x, y);
CREATE OR REPLACE MACRO argMax(x, y) AS arg_max(x, y);
CREATE OR REPLACE MACRO toUnixTimestamp(x) AS CAST(floor(epoch(x)) AS BIGINT);
CREATE OR REPLACE MACRO p05(x) AS quantile_cont(x, 0.05);
CREATE OR REPLACE MACRO p50(x) AS median(x);
CREATE OR REPLACE MACRO p90(x) AS quantile_cont(x, 0.9);
CREATE OR REPLACE MACRO p50_p90(x) AS quantile_cont(x, [0.5, 0.9]);
CREATE OR REPLACE MACRO p95(x) AS quantile_cont(x, 0.95);
CREATE OR REPLACE MACRO jsonText(j, k) AS json_extract_string(j, '$."' || k || '"');
CREATE OR REPLACE MACRO JSONExtractFloat(j, k) AS TRY_CAST(json_extract_string(j, '$."' || k || '"') AS DOUBLE);
CREATE OR REPLACE MACRO has(l, x) AS list_contains(l, x);
CREATE OR REPLACE MACRO startsWith(x, y) AS starts_with(x, y);
CREATE OR REPLACE MACRO lowerUTF8(x) AS lower(x);
CREATE OR REPLACE MACRO splitByChar(c, x) AS string_split(x, c);
CREATE OR REPLACE MACRO arraySlice(l, first, number) AS list_slice(l, first, first + number - 1);
CREATE OR REPLACE MACRO arrayStringConcat(l, c) AS array_to_string(l, c);
CREATE OR REPLACE MACRO indexOf(l, x) AS coalesce(list_position(l, x), 0);
CREATE OR REPLACE MACRO JSONExtractKeys(j) AS json_keys(j);
CREATE OR REPLACE MACRO arrayJoin(l) AS unnest(l);
-- Sets of the players from `first` to `last`, as strings of bits, in which each of these has one.
CREATE OR REPLACE MACRO isInPart(x, first, last) AS x BETWEEN first AND last;
CREATE OR REPLACE MACRO partSet(x, first, last) AS bitstring_agg(x, first, last);
CREATE OR REPLACE MACRO partSetIf(x, c, first, last) AS bitstring_agg(x, first, last) FILTER (WHERE c);
CREATE OR REPLACE MACRO partSize(s) AS CAST(coalesce(bit_count(s), 0) AS BIGINT);
CREATE OR REPLACE MACRO commonPart(a, b) AS CAST(coalesce(bit_count(a & b), 0) AS BIGINT);
-- For sent.sql: a text as a number with which metrics can compute. NULL if it is none, not finite, or so large that a sum
-- would not be finite (1e290); 0 if it is so small that a tenth of it would be 0 (1e-290).
CREATE OR REPLACE MACRO sentNumber(x) AS CASE WHEN abs(TRY_CAST(x AS DOUBLE)) < 1e-290 THEN 0
    WHEN abs(TRY_CAST(x AS DOUBLE)) < 1e290 THEN TRY_CAST(x AS DOUBLE) END;
-- For sent.sql: a text as a count of seconds or frames. NULL beyond 1e9, as a sum would not fit into 64 bits.
CREATE OR REPLACE MACRO sentCount(x) AS CASE WHEN TRY_CAST(x AS DOUBLE) BETWEEN 0 AND 1e9 THEN TRY_CAST(x AS BIGINT) END;
