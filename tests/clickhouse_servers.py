"""Starts servers of ClickHouse for tests: the engine of chdb, and the old server of Debian, also as a cluster."""

from __future__ import annotations

import contextlib
import importlib.util
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from tests import chdb_server


@contextmanager
def todays_server(*arguments: str) -> Iterator[str]:
    """Start the ClickHouse of chdb behind an HTTP interface, with arguments for it; yields its host and port."""
    if importlib.util.find_spec("chdb") is None:
        pytest.skip('chdb is not installed: pip install "ga-pygame[chdb]"')
    command = [sys.executable, "-W", "ignore", str(Path(chdb_server.__file__)), *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield f"127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.stdin.close()


# --- Debian's server ------------------------------------------------------------------------------------------

SERVER = "clickhouse-server"
ZOOKEEPER_JARS = ("zookeeper", "snappy-java", "metrics-core")
JARS = Path("/usr/share/java")
CLUSTER = "games"
START_SECONDS = 60
_CONFIG = """<yandex>
<logger><level>warning</level><log>{folder}/log</log><errorlog>{folder}/errors</errorlog></logger>
<http_port>{http}</http_port><tcp_port>{tcp}</tcp_port><interserver_http_port>{interserver}</interserver_http_port>
<interserver_http_host>{address}</interserver_http_host>{listens}
<path>{data}/</path><tmp_path>{folder}/tmp/</tmp_path><format_schema_path>{folder}/schemas/</format_schema_path>
<users_config>{folder}/users.xml</users_config>
<default_profile>default</default_profile><default_database>default</default_database>
<mark_cache_size>268435456</mark_cache_size>
{more}
</yandex>"""
_USERS = """<yandex>
<profiles><default><max_memory_usage>1000000000</max_memory_usage></default></profiles>
<users><default><password></password><networks><ip>127.0.0.1</ip><ip>198.18.0.0/15</ip></networks><profile>default</profile>
<quota>default</quota></default></users>
<quotas><default><interval><duration>3600</duration><queries>0</queries><errors>0</errors><result_rows>0</result_rows>
<read_rows>0</read_rows><execution_time>0</execution_time></interval></default></quotas>
</yandex>"""


def free_ports(number: int) -> list[int]:
    """Return ports that nobody listens on now."""
    with contextlib.ExitStack() as stack:
        found = []
        for _ in range(number):
            one = stack.enter_context(socket.socket())
            one.bind(("127.0.0.1", 0))
            found.append(int(one.getsockname()[1]))
        return found


class Place(NamedTuple):
    """Where a server runs.

    Attributes:
        addresses: Those at which it listens; others know it by the first one.
        within: The command that starts another one there.
        disk: The folder for its data; `None` is that of its other files.
    """

    addresses: Sequence[str] = ("127.0.0.1",)
    within: Sequence[str] = ()
    disk: Path | None = None


HERE = Place()


class DebianServer:
    """A process of Debian's clickhouse-server, which may be killed and started again.

    Args:
        folder: For its files.
        ports: HTTP, TCP and between servers.
        more: More of its configuration.
        place: Where it runs.
    """

    def __init__(self, folder: Path, ports: Sequence[int], more: str = "", place: Place = HERE) -> None:
        self.folder = folder
        self.host = f"{place.addresses[0]}:{ports[0]}"
        self._within = place.within
        folder.mkdir(parents=True)
        http, tcp, interserver = ports
        config = _CONFIG.format(
            folder=folder,
            data=place.disk / folder.name if place.disk else folder / "data",
            address=place.addresses[0],
            listens="".join(f"<listen_host>{one}</listen_host>" for one in place.addresses),
            http=http,
            tcp=tcp,
            interserver=interserver,
            more=more,
        )
        (folder / "config.xml").write_text(config)
        (folder / "users.xml").write_text(_USERS)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The id of the process."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start the process."""
        command = [*self._within, SERVER, f"--config-file={self.folder / 'config.xml'}"]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def wait(self) -> None:
        """Wait until it answers."""
        assert self._process is not None
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until:
            with contextlib.suppress(OSError), urllib.request.urlopen(f"http://{self.host}/ping", timeout=5) as answer:
                if answer.read() == b"Ok.\n":
                    return
            assert self._process.poll() is None, (self.folder / "errors").read_text()[-2000:]
            time.sleep(0.1)
        raise AssertionError((self.folder / "errors").read_text()[-2000:])

    def kill(self) -> None:
        """End the process as a crash does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(60)


def need_debian(*, zookeeper: bool = False) -> None:
    """Skip a test where the packages are not installed."""
    if shutil.which(SERVER) is None:
        pytest.skip("clickhouse-server is not installed: apt install clickhouse-server")
    if zookeeper and not ((JARS / "zookeeper.jar").exists() and shutil.which("java")):
        pytest.skip("zookeeper is not installed: apt install zookeeper")


@contextmanager
def debian_server(folder: Path) -> Iterator[str]:
    """Start one server; yields its host and port."""
    need_debian()
    server = DebianServer(folder / "clickhouse", free_ports(3))
    try:
        server.start()
        server.wait()
        yield server.host
    finally:
        server.kill()


# --- a cluster ------------------------------------------------------------------------------------------------

_OF_CLUSTER = """<remote_servers><{cluster}>{shards}</{cluster}></remote_servers>
<zookeeper><node><host>{keeper}</host><port>{zookeeper}</port></node><session_timeout_ms>6000</session_timeout_ms></zookeeper>
<macros><shard>{shard}</shard><replica>{replica}</replica></macros>
<merge_tree><old_parts_lifetime>10</old_parts_lifetime></merge_tree>
<distributed_ddl><path>/clickhouse/ddl</path></distributed_ddl>"""

_ZOOKEEPER = """tickTime=1000
dataDir={folder}/data
clientPort={port}
clientPortAddress={address}
admin.enableServer=false
maxClientCnxns=0
forceSync=no
"""


class DebianCluster:
    """Two shards of two replicas each, and ZooKeeper, from Debian's packages.

    Args:
        folder: For their files.
        places: Where each server runs; ZooKeeper is at the address of the last one.
    """

    def __init__(self, folder: Path, places: Sequence[Place] = (HERE,) * 4) -> None:
        self._address = places[-1].addresses[0]
        ports = free_ports(13)
        self._zookeeper_port = ports[12]
        self._folder = folder
        names = [(shard, replica) for shard in (1, 2) for replica in (1, 2)]
        tcp = {name: (places[at].addresses[0], ports[4 + at]) for at, name in enumerate(names)}
        shards = "".join(
            "<shard><internal_replication>true</internal_replication>"
            + "".join("<replica><host>{}</host><port>{}</port></replica>".format(*tcp[shard, one]) for one in (1, 2))
            + "</shard>"
            for shard in (1, 2)
        )
        self.servers: list[DebianServer] = []
        for number, (shard, replica) in enumerate(names):
            more = _OF_CLUSTER.format(
                cluster=CLUSTER,
                shards=shards,
                keeper=self._address,
                zookeeper=self._zookeeper_port,
                shard=shard,
                replica=f"r{replica}",
            )
            own = [ports[number], ports[4 + number], ports[8 + number]]
            self.servers.append(DebianServer(folder / f"node_{shard}_{replica}", own, more, places[number]))
        self._keeper: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start all and wait until they answer."""
        conf = self._folder / "zookeeper"
        (conf / "data").mkdir(parents=True)
        (conf / "zoo.cfg").write_text(_ZOOKEEPER.format(folder=conf, address=self._address, port=self._zookeeper_port))
        path = ":".join([str(conf), *(str(JARS / f"{name}.jar") for name in ZOOKEEPER_JARS)])
        main = "org.apache.zookeeper.server.quorum.QuorumPeerMain"
        command = ["java", "-Xmx256m", "-cp", path, main, str(conf / "zoo.cfg")]
        log = (conf / "log").open("wb")
        self._keeper = subprocess.Popen(command, stdout=log, stderr=log, cwd=conf)
        log.close()
        until = time.monotonic() + START_SECONDS
        while b"Mode: standalone" not in self._zookeeper_status():
            assert self._keeper.poll() is None, (conf / "log").read_text()[-2000:]
            assert time.monotonic() < until
            time.sleep(0.1)
        for server in self.servers:
            server.start()
        for server in self.servers:
            server.wait()

    @contextmanager
    def zookeeper_stopped(self) -> Iterator[None]:
        """Let ZooKeeper answer nothing; stay within servers' sessions of 6 s."""
        assert self._keeper is not None
        self._keeper.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._keeper.send_signal(signal.SIGCONT)

    def _zookeeper_status(self) -> bytes:
        try:
            with socket.create_connection((self._address, self._zookeeper_port), 1) as asked:
                asked.sendall(b"srvr")
                return asked.makefile("rb").read()
        except OSError:
            return b""

    def close(self) -> None:
        """End all."""
        for server in self.servers:
            server.kill()
        if self._keeper is not None:
            self._keeper.kill()
            self._keeper.wait(60)
