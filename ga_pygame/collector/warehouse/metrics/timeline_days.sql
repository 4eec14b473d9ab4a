-- The days of a timeline with the number of their events, the newest day first.
-- Counted are the events of the sessions that begin in the range, on the day of their first event: it tells on which days
-- the newest events are, so that the timeline need not look at all of them.
-- Source: this project.
SELECT day, CAST(sum(events) AS BIGINT) AS events FROM sessions
WHERE {filters} AND ($newest = 0 OR day <= (SELECT max(day) FROM events WHERE id = $newest))
GROUP BY day ORDER BY day DESC
