-- Sets of players as strings of bits, in which {capacity} players have one each; see macros.sql.
CREATE OR REPLACE MACRO playerSet(x) AS bitstring_agg(x, 1, {capacity});
CREATE OR REPLACE MACRO playerSetIf(x, c) AS bitstring_agg(x, 1, {capacity}) FILTER (WHERE c);
CREATE OR REPLACE MACRO setSize(s) AS CAST(coalesce(bit_count(s), 0) AS BIGINT);
CREATE OR REPLACE MACRO unionSize(s) AS CAST(coalesce(bit_count(bit_or(s)), 0) AS BIGINT);
