-- The days of a timeline with the number of hours of players in them, the newest day first.
-- Counted are the hours in the range in which a player has an event of a context. Each has one event at least: this tells
-- on which days the newest events are, so that the timeline need not look at all of them.
-- Source: this project.
SELECT day, count(*) AS hours FROM presence
WHERE {filters} AND ($newest = 0 OR day <= (SELECT max(day) FROM events WHERE id = $newest))
GROUP BY day ORDER BY day DESC
