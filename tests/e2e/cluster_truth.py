"""Compares what a cluster stores with what its collectors acknowledged and with what trackers were told."""

from __future__ import annotations

import contextlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ga_pygame.collector.clickhouse.address import parse_store
from ga_pygame.collector.clickhouse.client import ClickHouseError, Client, Unreachable
from tests.clickhouse_servers import DebianCluster, DebianServer
from tests.e2e.cluster_traffic import OF_SENDERS

Note = Mapping[str, Any]
_ATTEMPTS = {"progression": "attempt_num", "business": "transaction_num"}
"""The field that counts the events of a category."""


class Truth:
    """What a cluster has to have.

    Attributes:
        sent: The ids of the senders' events by session.
        notes: What games noted.
    """

    def __init__(self) -> None:
        self.sent: dict[str, list[str]] = {}
        self.notes: list[Note] = []

    @property
    def told(self) -> int:
        """The number of events of the games."""
        return sum(len(note.get("told", ())) for note in self.notes)

    @property
    def acknowledged(self) -> int:
        """The number of all events."""
        return sum(map(len, self.sent.values())) + self.told

    def problem(self, cluster: DebianCluster) -> str:
        """Say what is stored otherwise; "" if all is well."""
        try:
            return self._problem(cluster)
        except (ClickHouseError, Unreachable) as error:
            return str(error)

    def _problem(self, cluster: DebianCluster) -> str:
        shards: list[str] = []
        for first, second in (cluster.servers[:2], cluster.servers[2:]):
            here, there = (
                [str(one) for (one,) in ask(each.host, "SELECT event_uuid FROM ga_events_local FINAL")]
                for each in (first, second)
            )
            if sorted(here) != sorted(there):
                return f"the replicas have {len(here)} and {len(there)} events"
            shards += here
        lost, doubled = self.acknowledged - len(set(shards)), len(shards) - len(set(shards))
        if lost or doubled:
            return f"{self.acknowledged} events were acknowledged, {lost} of them are lost, {doubled} are there twice"
        host = cluster.servers[0].host
        of_senders = f"user_id LIKE '{OF_SENDERS}%'"
        rows = ask(host, f"SELECT session_id, event_uuid FROM ga_events FINAL WHERE {of_senders}")
        found: defaultdict[str, list[str]] = defaultdict(list)
        for session, event_uuid in rows:
            found[session].append(event_uuid)
        if {name: sorted(ids) for name, ids in found.items()} != {name: sorted(one) for name, one in self.sent.items()}:
            return "a sender's session has other events"
        rows = ask(host, f"SELECT json FROM ga_events FINAL WHERE NOT {of_senders}")
        return next(wrong_sessions([json.loads(one) for (one,) in rows], self.notes), "")


def left_to_do(cluster: DebianCluster) -> str:
    """Say what a replica still has to do, for which events may be late; "" if they have done all."""
    try:
        return "; ".join(reason for server in cluster.servers for reason in _left_on(server))
    except (ClickHouseError, Unreachable) as error:
        return str(error)


def _left_on(server: DebianServer) -> Iterator[str]:
    """Yield why tables of a server are not what ZooKeeper knows of them: no session, or entries of the queue."""
    columns = "table, is_readonly, queue_size, log_max_index >= log_pointer"
    for table, is_readonly, entries, is_behind in ask(server.host, f"SELECT {columns} FROM system.replicas"):
        if is_readonly:
            yield f"{table} on {server.folder.name} is read-only"
        elif int(entries) or is_behind:
            yield f"{table} on {server.folder.name} has {entries} entries{', and more to read' * is_behind}"
    columns = "table, type, new_part_name, num_tries, last_exception, postpone_reason"
    for table, kind, part, tries, error, reason in ask(
        server.host, f"SELECT {columns} FROM system.replication_queue LIMIT 1"
    ):
        yield f"{kind} {part} of {table}, {tries} tries: {error} {reason}"


def ask(host: str, query: str) -> list[list[Any]]:
    with contextlib.closing(Client(parse_store(f"clickhouse://{host}/games"))) as client:
        rows: list[list[Any]] = json.loads(client.query(f"{query} FORMAT JSONCompact"))["data"]
        return rows


def wrong_sessions(events: Sequence[Mapping[str, Any]], notes: Sequence[Note]) -> Iterator[str]:
    """Yield what is wrong with the games' events."""
    dropped = [note["dropped"] for note in notes if note.get("dropped")]
    if dropped:
        yield f"trackers dropped {dropped}"
    by_session: defaultdict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for event in events:
        by_session[event["session_id"]].append(event)
    sessions = {note["session_id"]: note for note in notes if "session_id" in note}
    if by_session.keys() != sessions.keys():
        yield f"{len(sessions)} sessions were played, {len(by_session)} are there"
    for name in by_session.keys() & sessions.keys():
        yield from _wrong_session(by_session[name], sessions[name])
    yield from _wrong_attempts(events)


def _wrong_session(events: Sequence[Mapping[str, Any]], note: Note) -> Iterator[str]:
    """Compare a session with its note: each event with its count, its player and number, and its length."""
    found = Counter((event["category"], event.get("event_id", ""), _count_of(event)) for event in events)
    told = Counter((category, event_id, count) for category, event_id, count in note["told"])
    if found != told:
        more, less = found - told, told - found
        words = f"{more.total()} more {dict(more)} and {less.total()} less than was told {dict(less)}"
        yield f"session {note['session_num']} has {words}"
    who = {(event["user_id"], event["session_num"]) for event in events}
    if who != {(note["user_id"], note["session_num"])}:
        yield f"session {note['session_num']} is of {who}"
    for event in events:
        if event["category"] == "session_end" and not -1 <= event["length"] - note["seconds"] <= 1:
            yield f"a session of {note['seconds']:.1f} s has the length {event['length']}"


def _count_of(event: Mapping[str, Any]) -> int | None:
    count: int | None = event.get(_ATTEMPTS.get(event["category"], ""))
    return count


def _wrong_attempts(events: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Check that the attempts of each player at each level are numbered from 1 until one is complete."""
    by_level: defaultdict[tuple[str, str], list[Mapping[str, Any]]] = defaultdict(list)
    for event in events:
        if event["category"] == "progression" and not event["event_id"].startswith("Start:"):
            by_level[event["user_id"], event["event_id"].partition(":")[2]].append(event)
    for (_, level), of_level in by_level.items():
        numbers = Counter(one["attempt_num"] for one in of_level)
        longest = max(numbers)
        counts = [numbers[number] for number in range(longest + 2)]
        ends = sum(one["event_id"].startswith("Complete:") for one in of_level)
        if counts[0] or sorted(counts[1:], reverse=True) != counts[1:] or not ends <= counts[1] <= ends + 1:
            yield f"{level}: {ends} complete attempts, and these numbers: {dict(numbers)}"
