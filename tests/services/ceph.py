"""A real S3 store for tests: Ceph's RADOS Gateway with one monitor and one disk, on loopback, in one folder."""

import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PROGRAMS = ("ceph", "ceph-authtool", "ceph-mon", "ceph-osd", "monmaptool", "radosgw", "radosgw-admin")
START_SECONDS = 60
END_SECONDS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """Where the store is, and its one user."""

    endpoint: str
    access_key: str
    secret_key: str

    def environment(self) -> dict[str, str]:
        """The variables by which facetry, and every other S3 tool, finds it."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_REGION": "us-east-1",
        }


def missing_programs() -> list[str]:
    return [program for program in PROGRAMS if shutil.which(program) is None]


@contextmanager
def running_store(folder: Path) -> Iterator[Store]:
    """A store that answers and keeps its data in `folder`; gone when the context ends."""
    cluster = _Cluster(folder)
    try:
        yield cluster.start()
    finally:
        cluster.end()


class _Cluster:
    """The daemons, each a child of this process in the foreground, so that none outlives it unseen."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._id = str(uuid.uuid4())
        first, second, self._port = _free_ports(3)
        self._monitor = f"[v2:127.0.0.1:{first},v1:127.0.0.1:{second}]"
        self._daemons: list[subprocess.Popen[bytes]] = []

    def start(self) -> Store:
        for part in ("mon", "osd", "rgw", "run"):
            (self._folder / part).mkdir(parents=True)
        (self._folder / "ceph.conf").write_text(self._configuration(), encoding="utf-8")
        self._make_keys()
        keyring, monmap = self._folder / "keyring", self._folder / "monmap"
        self._run("monmaptool", "--create", "--fsid", self._id, "--addv", "a", self._monitor, str(monmap))
        self._run("ceph-mon", "--mkfs", "-i", "a", "--keyring", str(keyring), "--monmap", str(monmap))
        self._daemon("ceph-mon", "-i", "a")
        self._run("ceph", "--connect-timeout", "20", "osd", "new", self._id, "0")
        self._run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", self._id)
        self._daemon("ceph-osd", "-i", "0")
        store = Store(endpoint=f"http://127.0.0.1:{self._port}", access_key="tester", secret_key=uuid.uuid4().hex)
        self._run(
            *("radosgw-admin", "-n", "client.rgw", "user", "create", "--uid", "tester", "--display-name", "tester"),
            *("--access-key", store.access_key, "--secret", store.secret_key),
        )
        self._daemon("radosgw", "-n", "client.rgw")
        self._wait_until_it_answers(store.endpoint)
        return store

    def end(self) -> None:
        for daemon in reversed(self._daemons):
            daemon.terminate()
            try:
                daemon.wait(timeout=END_SECONDS)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()

    def _make_keys(self) -> None:
        keyring = str(self._folder / "keyring")
        self._run("ceph-authtool", "--create-keyring", keyring)
        for name, *capabilities in (
            ("mon.", "mon", "allow *"),
            ("client.admin", "mon", "allow *", "osd", "allow *"),
            ("client.rgw", "mon", "allow rwx", "osd", "allow rwx"),
            ("osd.0", "mon", "allow profile osd", "osd", "allow *"),
        ):
            pairs = zip(capabilities[::2], capabilities[1::2], strict=True)
            options = [option for pair in pairs for option in ("--cap", *pair)]
            self._run("ceph-authtool", keyring, "--gen-key", "-n", name, *options)

    def _run(self, program: str, *arguments: str) -> None:
        command = [program, "--conf", str(self._folder / "ceph.conf"), *arguments]
        if program in ("ceph-authtool", "monmaptool"):
            command = [program, *arguments]
        finished = subprocess.run(command, capture_output=True, text=True, timeout=START_SECONDS, check=False)
        if finished.returncode != 0:
            raise RuntimeError(f"{' '.join(command)}: {finished.stderr.strip()}")

    def _daemon(self, program: str, *arguments: str) -> None:
        log = (self._folder / "run" / f"{program}.out").open("wb")
        with log:
            command = [program, "--conf", str(self._folder / "ceph.conf"), "-f", *arguments]
            self._daemons.append(subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT))

    def _wait_until_it_answers(self, endpoint: str) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            try:
                with urllib.request.urlopen(endpoint, timeout=2):
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.1)
        raise RuntimeError(f"no answer from {endpoint} in {START_SECONDS} s: logs are in {self._folder / 'run'}")

    def _configuration(self) -> str:
        folder = self._folder
        settings = {
            "fsid": self._id,
            "mon_host": self._monitor,
            "public_addr": "127.0.0.1",
            "cluster_addr": "127.0.0.1",
            "keyring": folder / "keyring",
            "auth_allow_insecure_global_id_reclaim": "false",
            "paxos_propose_interval": 0.02,
            "paxos_min_wait": 0.01,
            "run_dir": folder / "run",
            "admin_socket": "",
            "log_file": folder / "run" / "$name.log",
            "mon_cluster_log_file": folder / "run" / "cluster.log",
            "crash_dir": folder / "run",
            "osd_pool_default_size": 1,
            "osd_pool_default_min_size": 1,
            "mon_allow_pool_size_one": "true",
            "osd_pool_default_pg_num": 4,
            "osd_pool_default_pgp_num": 4,
            "osd_pool_default_pg_autoscale_mode": "off",
            "osd_crush_chooseleaf_type": 0,
            "mon_data_avail_crit": 1,
            "mon_data": folder / "mon",
            "osd_data": folder / "osd",
            "osd_objectstore": "bluestore",
            "bluestore_block_size": 4 * 2**30,
            "bluestore_cache_autotune": "false",
            "bluestore_cache_size": 64 * 2**20,
            "rgw_frontends": f"beast endpoint=127.0.0.1:{self._port}",
            "rgw_data": folder / "rgw",
            "rgw_enable_apis": "s3",
            "rgw_thread_pool_size": 32,
        }
        return "[global]\n" + "".join(f"{name} = {value}\n" for name, value in settings.items())


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(opened.getsockname()[1]) for opened in sockets]
    for opened in sockets:
        opened.close()
    return ports
