-- One step of a funnel after the first one, see funnel.sql. `funnel.py` repeats it for each, without this comment.
step_{number} AS MATERIALIZED (
    SELECT later.player AS player, later.client_ts AS client_ts, later.second AS second, began,
        later.second - earlier.second AS gap
    FROM (SELECT player, client_ts, second FROM named WHERE id = $id_{number}) AS later
        ASOF JOIN step_{before} AS earlier ON earlier.player = later.player AND later.client_ts > earlier.client_ts
    WHERE later.second - earlier.second <= $seconds
)
