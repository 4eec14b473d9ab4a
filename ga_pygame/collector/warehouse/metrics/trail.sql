-- The newest error of a kind: its event and session.
-- Chosen is that with the latest time among the error events in the range.
-- Source: Sentry, Breadcrumbs (what came before an error).
SELECT id, session FROM error_events
WHERE session IS NOT NULL AND {filters}
    AND name_key IN (SELECT name_key FROM names WHERE fingerprint = $fingerprint)
ORDER BY client_ts DESC, id DESC LIMIT 1
