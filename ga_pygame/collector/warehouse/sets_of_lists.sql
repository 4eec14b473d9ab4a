-- Sets of players as lists, if strings of bits would be too large; see macros.sql.
CREATE OR REPLACE MACRO playerSet(x) AS list(DISTINCT x);
CREATE OR REPLACE MACRO playerSetIf(x, c) AS list(DISTINCT x) FILTER (WHERE c);
CREATE OR REPLACE MACRO setSize(s) AS CAST(coalesce(len(s), 0) AS BIGINT);
CREATE OR REPLACE MACRO unionSize(s) AS CAST(coalesce(len(list_distinct(flatten(list(s)))), 0) AS BIGINT);
