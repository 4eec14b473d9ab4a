-- The names of ClickHouse's functions for DuckDB, so that each metric is one text for both.
CREATE OR REPLACE MACRO uniqExact(x) AS count(DISTINCT x);
CREATE OR REPLACE MACRO countIf(c) AS count(*) FILTER (WHERE c);
CREATE OR REPLACE MACRO sumIf(x, c) AS sum(x) FILTER (WHERE c);
CREATE OR REPLACE MACRO avgIf(x, c) AS avg(x) FILTER (WHERE c);
CREATE OR REPLACE MACRO minIf(x, c) AS min(x) FILTER (WHERE c);
CREATE OR REPLACE MACRO maxIf(x, c) AS max(x) FILTER (WHERE c);
CREATE OR REPLACE MACRO uniqExactIf(x, c) AS count(DISTINCT x) FILTER (WHERE c);
CREATE OR REPLACE MACRO medianIf(x, c) AS median(x) FILTER (WHERE c);
CREATE OR REPLACE MACRO argMin(x, y) AS arg_min(x, y);
CREATE OR REPLACE MACRO argMax(x, y) AS arg_max(x, y);
CREATE OR REPLACE MACRO intDiv(a, b) AS a // b;
CREATE OR REPLACE MACRO p05(x) AS quantile_cont(x, 0.05);
CREATE OR REPLACE MACRO p90(x) AS quantile_cont(x, 0.9);
CREATE OR REPLACE MACRO p95(x) AS quantile_cont(x, 0.95);
CREATE OR REPLACE MACRO JSONExtractString(j, k) AS json_extract_string(j, '$."' || k || '"');
CREATE OR REPLACE MACRO JSONExtractFloat(j, k) AS TRY_CAST(json_extract_string(j, '$."' || k || '"') AS DOUBLE);
CREATE OR REPLACE MACRO has(l, x) AS list_contains(l, x);
