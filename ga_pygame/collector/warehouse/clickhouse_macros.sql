-- The names of macros.sql that ClickHouse does not have.
CREATE OR REPLACE FUNCTION p05 AS x -> quantileExactInclusive(0.05)(x);
CREATE OR REPLACE FUNCTION p50 AS x -> quantileExactInclusive(0.5)(x);
CREATE OR REPLACE FUNCTION p90 AS x -> quantileExactInclusive(0.9)(x);
CREATE OR REPLACE FUNCTION p50_p90 AS x -> [quantileExactInclusive(0.5)(x), quantileExactInclusive(0.9)(x)];
CREATE OR REPLACE FUNCTION p95 AS x -> quantileExactInclusive(0.95)(x);
-- Sets of players.
CREATE OR REPLACE FUNCTION playerSet AS x -> groupUniqArray(x);
CREATE OR REPLACE FUNCTION playerSetIf AS (x, c) -> groupUniqArrayIf(x, c);
CREATE OR REPLACE FUNCTION setSize AS s -> CAST(length(s) AS Int64);
CREATE OR REPLACE FUNCTION unionSize AS s -> CAST(length(groupUniqArrayArray(s)) AS Int64);
-- The same in parts, of which there is one.
CREATE OR REPLACE FUNCTION isInPart AS (x, first, last) -> true;
CREATE OR REPLACE FUNCTION partSet AS (x, first, last) -> groupUniqArray(x);
CREATE OR REPLACE FUNCTION partSetIf AS (x, c, first, last) -> groupUniqArrayIf(x, c);
CREATE OR REPLACE FUNCTION partSize AS s -> CAST(length(s) AS Int64);
CREATE OR REPLACE FUNCTION commonPart AS (a, b) -> CAST(length(arrayIntersect(a, b)) AS Int64);
-- A field of JSON as text, NULL if there is none: JSONExtractString would be '' for a number, too.
CREATE OR REPLACE FUNCTION jsonText AS (j, k) ->
    multiIf(JSONType(j, k) = 'String', JSONExtractString(j, k),
        JSONType(j, k) = 'Double' AND match(JSONExtractRaw(j, k), '^-?[0-9]+$'), concat(JSONExtractRaw(j, k), '.0'),
        nullIf(nullIf(JSONExtractRaw(j, k), ''), 'null'));
