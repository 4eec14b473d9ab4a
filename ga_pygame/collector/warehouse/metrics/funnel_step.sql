-- One step of a funnel after the first one, see funnel.sql. `funnel.py` repeats it for each, without this comment.
step_{number} AS MATERIALIZED (
    SELECT player, client_ts, second, latest_began AS began, second - latest AS gap FROM (
        SELECT player, client_ts, second, is_new, max(done) OVER earlier AS latest, max(began) OVER earlier AS latest_began
        FROM (
            SELECT player, client_ts, second, second AS done, began, 0 AS is_new FROM step_{before}
            UNION ALL SELECT player, client_ts, second, NULL, NULL, 1 FROM named WHERE id = $id_{number}
        ) WINDOW earlier AS (PARTITION BY player ORDER BY client_ts, is_new DESC ROWS UNBOUNDED PRECEDING)
    ) WHERE is_new = 1 AND second - latest <= $seconds
)
