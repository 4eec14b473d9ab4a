-- Reads new events: a temporary table with the columns that need nothing but the event. Its parameters: the file of
-- events; the first id, number of events, game and time of arrival of each request in it; and where the custom fields say
-- who plays, who sent it, and an attempt's seconds and long frames. Numbers are read by the macros that macros.sql has for
-- them.
CREATE OR REPLACE TEMP TABLE sent AS
WITH requests AS (
    SELECT unnest($first_ids) AS first_id, unnest($numbers) AS number, unnest($games) AS game,
        unnest($received) AS received_at
),
numbered AS (
    SELECT unnest(range(first_id, first_id + number)) AS id, first_id, game, received_at FROM requests
),
read AS (
    SELECT * REPLACE (category::category AS category)
    FROM read_json($path, format = 'array',
        maximum_object_size = {longest}, columns = {columns}) POSITIONAL JOIN numbered
)
SELECT
    id, first_id, game, received_at, user_id, session_id, TRY_CAST(session_num AS BIGINT) AS session_num,
    TRY_CAST(client_ts AS BIGINT) AS told_at, category,
    coalesce(build, '') AS build, coalesce(platform, '') AS platform, coalesce(os_version, '') AS os_version,
    coalesce(device, '') AS device, coalesce(custom_01, '') AS custom_01, coalesce(custom_02, '') AS custom_02,
    coalesce(custom_03, '') AS custom_03, coalesce(ab_id, '') AS ab_id, coalesce(ab_variant_id, '') AS ab_variant_id,
    CASE WHEN regexp_full_match(country_code, '[A-Z][A-Z]') THEN country_code ELSE '' END AS country_code,
    CASE WHEN contains(custom_fields, $sent_by) AND json_extract_string(custom_fields, $sent_by) = $server
        THEN $server ELSE '' END AS sent_by,
    CASE WHEN contains(custom_fields, $who)
        THEN coalesce(nullif(json_extract_string(custom_fields, $who), ''), 'player') ELSE 'player' END AS who,
    CASE WHEN category = 'progression' THEN TRY_CAST(split_part(event_id, ':', 1) AS status) END AS status,
    CASE WHEN category = 'resource' THEN TRY_CAST(split_part(event_id, ':', 1) AS flow) END AS flow,
    CASE WHEN category = 'error' THEN TRY_CAST(severity AS severity) END AS severity,
    CASE category
        WHEN 'progression' THEN substr(event_id, strpos(event_id, ':') + 1)
        WHEN 'resource' THEN substr(event_id, strpos(event_id, ':') + 1)
        WHEN 'error' THEN message
        WHEN 'ads' THEN concat_ws(':', ad_action, ad_type, ad_placement)
        WHEN 'sdk_error' THEN concat_ws(':', error_category, error_area, error_action)
        ELSE event_id END AS name,
    CASE category WHEN 'resource' THEN split_part(event_id, ':', 2) WHEN 'business' THEN coalesce(currency, '')
        ELSE '' END AS currency,
    CASE WHEN category = 'design' THEN sentNumber(value) END AS value,
    CASE WHEN category = 'progression' THEN sentNumber(score) END AS score,
    CASE WHEN category = 'progression' THEN TRY_CAST(attempt_num AS BIGINT) END AS attempt_num,
    CASE WHEN category = 'progression' AND contains(custom_fields, $seconds)
        THEN sentNumber(json_extract_string(custom_fields, $seconds)) END AS seconds,
    CASE WHEN category = 'progression' AND contains(custom_fields, $hitches)
        THEN sentCount(json_extract_string(custom_fields, $hitches)) END AS hitches,
    CASE category WHEN 'business' THEN sentNumber(amount)
        WHEN 'resource' THEN abs(sentNumber(amount)) END AS amount,
    CASE WHEN category = 'business' THEN cart_type END AS cart,
    CASE WHEN category = 'session_end' THEN sentCount(length) END AS length,
    CASE WHEN category = 'health' THEN sentNumber(fps) END AS fps,
    CASE WHEN category = 'health' THEN sentNumber(frame_ms_p99) END AS frame_ms_p99,
    CASE WHEN category = 'health' THEN sentNumber(mem_mb) END AS mem_mb,
    CASE WHEN category = 'health' THEN fps_data_table END AS fps_data_table,
    nullif(custom_fields::VARCHAR, '{}') AS custom_fields
FROM read;

-- Official SDKs send the seconds at 0, 1, … frames a second, once a session. They become the figures that this tracker
-- sends: the mean rate, and the frame time that all but the slowest 1 % of the seconds keep. DuckDB would evaluate the
-- functions of lists for each event if they stood above.
UPDATE sent SET fps = measured.fps, frame_ms_p99 = measured.frame_ms_p99
FROM (
    SELECT id, list_inner_product(fps_table::DOUBLE[], range(len(fps_table))::DOUBLE[]) / list_sum(fps_table) AS fps,
        1000.0 / greatest(list_filter(range(len(fps_table)),
            lambda rate: list_sum(fps_table[1:rate + 1]) >= 0.01 * list_sum(fps_table))[1], 1) AS frame_ms_p99
    FROM (SELECT id, TRY_CAST(fps_data_table AS BIGINT[]) AS fps_table FROM sent WHERE fps_data_table IS NOT NULL)
    WHERE len(fps_table) > 1 AND list_count(fps_table) = len(fps_table) AND list_min(fps_table) >= 0
        AND list_sum(fps_table) > 0
) AS measured
WHERE sent.id = measured.id;
