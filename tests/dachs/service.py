# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""A real TAP service for tests: DaCHS on PostgreSQL, as data centers run it, on loopback and in a temporary folder.

Neither systemd nor a system-wide database is needed. PostgreSQL refuses to run as root, so root hands both servers to
the user ``postgres``; anybody else runs them as they are. They are stopped by their process ids.
"""

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
import urllib.request
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
PACKAGES = "python3-gavo postgresql-15-pgsphere postgresql-15-q3c"
INSTALL = f"apt-get install -y --no-install-recommends {PACKAGES}"

SETTINGS = """\
[general]
rootDir: {root}/gavo
gavoGroup: {group}
group: {group}
maintainerAddress: root@localhost
[web]
serverURL: http://127.0.0.1:{port}
bindAddress: 127.0.0.1
serverPort: {port}
user: {user}
sitename: test
[async]
defaultMAXREC: 20000
hardMAXREC: 200000
[db]
indexWorkMem: 64
[ivoa]
authority: x-test
"""


COMMANDS = """\
import os, sys
from gavo.user import cli, importing
for command in sys.argv[1:]:
    child = os.fork()
    if not child:
        sys.argv = ["dachs", *command.split()]
        cli.main()
        sys.exit()
    if os.waitpid(child, 0)[1]:
        sys.exit(f"dachs {command} failed")
"""
"""Loads DaCHS, which takes seconds, once; each command has a process and a connection to the database of its own."""


class DachsError(RuntimeError):
    """DaCHS or PostgreSQL did not come up; the message ends with their logs."""


def postgres_programs():
    """Folder of the newest PostgreSQL that has both sky extensions, or None."""
    for library in sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: int(p.parent.name), reverse=True):
        extensions = Path("/usr/share/postgresql", library.parent.name, "extension")
        if (extensions / "pg_sphere.control").exists() and (extensions / "q3c.control").exists():
            return library
    return None


def missing():
    """Say what is not installed, and how to change that; empty if all is there."""
    absent = []
    if not shutil.which("dachs", path="/usr/bin:/usr/local/bin"):
        absent.append("DaCHS")
    if postgres_programs() is None:
        absent.append("PostgreSQL with pgSphere and q3c")
    return f"{' and '.join(absent)} not installed: {INSTALL}" if absent else ""


class Dachs:
    """DaCHS serving ``gaiadr3.gaia_source``.

    Parameters
    ----------
    root : path-like
        An empty folder; its parents must be open to the user ``postgres`` when run as root.
    gaia : `~astropy.table.Table`
        The rows of the table, with Gaia's columns.

    Attributes
    ----------
    url : str
        Address of the TAP service.
    """

    def __init__(self, root, gaia):
        self.root = Path(root)
        self._gaia = gaia
        self._user = pwd.getpwnam("postgres") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
        self._programs = postgres_programs()
        self._server = None

    def start(self):
        """Bring both servers up and the table in; takes about twenty seconds."""
        self._port, database_port = _free_ports(2)
        self.url = f"http://127.0.0.1:{self._port}/tap"
        self._own(self.root)
        database = self.root / "pg"
        self._run(self._programs / "initdb", "-D", database, "-E", "UTF8", "--locale=C.UTF-8", "-A", "trust", "-N")
        options = (
            f"-c listen_addresses=127.0.0.1 -p {database_port} -k {self.root} "
            "-c fsync=off -c synchronous_commit=off -c full_page_writes=off -c shared_buffers=64MB"
        )
        self._run(
            self._programs / "pg_ctl", "-D", database, "-w", "-t", "60", "-l", self.root / "pg.log",
            "-o", options, "start",
        )  # fmt: skip
        connection = ["-h", "127.0.0.1", "-p", str(database_port)]
        self._run(self._programs / "createdb", *connection, "gavo")
        (self.root / "gavo.rc").write_text(
            SETTINGS.format(
                root=self.root, port=self._port, user=self._user.pw_name, group=_group_name(self._user.pw_gid)
            )
        )
        dsn = f"host=127.0.0.1 port={database_port} user={self._user.pw_name} dbname=gavo"
        self._run("dachs", "init", "-d", dsn)
        self._load()
        self._dachs("imp gaiadr3/q", "pub //services //tap")
        with open(self.root / "serve.log", "wb") as log:
            self._server = subprocess.Popen(
                self._command("dachs", "serve", "debug"), cwd=self.root, env=self._environment(),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        self._wait()

    def load(self, schema, tables):
        """Bring further tables into the service while it runs; takes a few seconds.

        Parameters
        ----------
        schema : str
            One that the service does not have yet.
        tables : dict of str to Table
            By name; columns with capital letters become delimited identifiers, as VizieR has them. Positions get an
            index, masked values and NaN become NULL.
        """
        inputs = self.root / "gavo" / "inputs" / schema
        (inputs / "data").mkdir(parents=True)
        (inputs / "q.rd").write_text(resource_descriptor(schema, tables))
        for name, table in tables.items():
            # Neither delimited identifiers nor Python's own words, such as class, are names in DaCHS's grammars.
            numbered = table.copy()
            numbered.rename_columns(table.colnames, [f"c{k}" for k in range(len(table.colnames))])
            write_votable(numbered, inputs / "data" / f"{name}.vot")
        self._own(inputs)
        self._run("dachs", "imp", f"{schema}/q", cwd=inputs.parent)

    def publish(self, bundles, *, register=()):
        """Bring folders in that have a resource descriptor ``q.rd`` of their own, as a data center does.

        Parameters
        ----------
        bundles : dict of str to path-like
            The folders, which are copied, by the name that each is to have among those of the service.
        register : sequence of str, optional
            Which of them to put into the service's registry of resources, too.
        """
        for schema, bundle in bundles.items():
            inputs = self.root / "gavo" / "inputs" / schema
            shutil.copytree(bundle, inputs)
            self._own(inputs)
        commands = [*(f"imp {schema}/q" for schema in bundles), *(f"pub {schema}/q" for schema in register)]
        self._dachs(*commands, seconds=600)

    def stop(self):
        """Stop both servers; never raises, so that it can follow a failed start."""
        if self._server is not None:
            for how in (signal.SIGTERM, signal.SIGKILL):
                with contextlib.suppress(ProcessLookupError, subprocess.TimeoutExpired):
                    os.killpg(self._server.pid, how)
                    self._server.wait(10)
                    break
        if (self.root / "pg" / "postmaster.pid").exists():
            stop = [self._programs / "pg_ctl", "-D", self.root / "pg", "-m", "immediate", "-w", "stop"]
            with contextlib.suppress(subprocess.SubprocessError, OSError):
                subprocess.run(self._command(*stop), cwd=self.root, timeout=60, check=False, capture_output=True)

    def _load(self):
        inputs = self.root / "gavo" / "inputs" / "gaiadr3"
        (inputs / "data").mkdir(parents=True)
        shutil.copy(HERE / "gaiadr3.rd", inputs / "q.rd")
        write_votable(self._gaia, inputs / "data" / "gaia_source.vot")
        self._own(inputs)

    def _wait(self, seconds=90):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self._server.poll() is not None:
                raise DachsError(f"dachs serve ended with status {self._server.returncode}\n{self._logs()}")
            try:
                with urllib.request.urlopen(f"{self.url}/availability", timeout=5) as answer:
                    if answer.status == 200:
                        return
            except OSError:
                pass
            time.sleep(0.2)
        raise DachsError(f"{self.url} did not answer within {seconds} s\n{self._logs()}")

    # --- processes

    def _dachs(self, *commands, seconds=300):
        """Commands of DaCHS, one after the other."""
        self._run("python3", "-c", COMMANDS, *commands, cwd=self.root / "gavo" / "inputs", seconds=seconds)

    def _run(self, *command, cwd=None, seconds=180):
        try:
            # To a file, not a pipe: PostgreSQL's server inherits it and would hold a pipe open.
            with open(self.root / "setup.log", "ab") as log:
                subprocess.run(
                    self._command(*command), cwd=cwd or self.root, env=self._environment(), timeout=seconds,
                    check=True, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                )  # fmt: skip
        except (subprocess.SubprocessError, OSError) as error:
            raise DachsError(f"{error}\n{self._logs()}") from error

    def _command(self, *command):
        drop = []
        if os.geteuid() == 0:
            drop = ["setpriv", f"--reuid={self._user.pw_uid}", f"--regid={self._user.pw_gid}", "--init-groups", "--"]
        return [*drop, *map(str, command)]

    def _environment(self):
        # Debian's Python, not the virtual environment's: DaCHS is a system package.
        return {
            "PATH": "/usr/bin:/bin",
            "HOME": str(self.root),
            "LANG": "C.UTF-8",
            "GAVOSETTINGS": str(self.root / "gavo.rc"),
            "GAVOCUSTOM": "/nonexistent",
        }

    def _own(self, folder):
        if os.geteuid() == 0:
            for path in [folder, *folder.rglob("*")]:
                os.chown(path, self._user.pw_uid, self._user.pw_gid)

    def _logs(self):
        logs = [*self.root.glob("*.log"), *self.root.glob("gavo/logs/dc*")]
        return "\n".join(f"--- {p.name}\n{p.read_text('utf-8', 'replace')[-3000:]}" for p in logs if p.is_file())


def write_votable(table, path):
    """Of the formats that DaCHS reads, VOTable is the one whose NaN becomes NULL."""
    from astropy.table import Table

    plain = {
        c: np.ma.asarray(table[c]).filled(np.nan) if table[c].dtype.kind == "f" else table[c] for c in table.colnames
    }
    Table(plain).write(path, format="votable", tabledata_format="tabledata")


TYPES = {"i8": "bigint", "i4": "integer", "i2": "smallint", "f8": "double precision", "f4": "real"}
POSITIONS = (("ra", "dec"), ("RAJ2000", "DEJ2000"), ("RA_ICRS", "DE_ICRS"))
UCDS = {name: f"pos.eq.{'ra' if k == 0 else 'dec'};meta.main" for pair in POSITIONS for k, name in enumerate(pair)}


def resource_descriptor(schema, tables):
    """DaCHS's description of tables as they are."""
    parts = [
        f"""<resource schema="{schema}">
  <meta name="title">{schema} for tests</meta>
  <meta name="creationDate">2024-01-01T00:00:00Z</meta>
  <meta name="description">Tables for tests.</meta>
  <meta name="creator">Test, A.</meta>
  <meta name="subject">surveys</meta>"""
    ]
    for table_name, table in tables.items():
        index = ' mixin="//scs#q3cindex"' if {"ra", "dec"} <= set(table.colnames) else ""
        parts.append(f'  <table id="{table_name}" onDisk="True" adql="True"{index}>')
        maps = []
        for k, name in enumerate(table.colnames):
            kind = TYPES.get(table[name].dtype.str[1:], "text")
            required = ' required="True"' if kind.endswith("int") or kind == "integer" else ""
            ucd = UCDS.get(name, "")
            full = name if name == name.lower() else f"quoted/{name}"
            parts.append(f'    <column name="{full}" type="{kind}"{required} ucd="{ucd}" description="{name}"/>')
            maps.append(f'<map key="{full}" source="c{k}"/>')
        parts.append(f"""  </table>
  <data id="import_{table_name}">
    <sources>data/{table_name}.vot</sources>
    <voTableGrammar/>
    <make table="{table_name}"><rowmaker>{"".join(maps)}</rowmaker></make>
  </data>""")
    return "\n".join([*parts, "</resource>\n"])


def _group_name(gid):
    import grp

    return grp.getgrgid(gid).gr_name


def _free_ports(n):
    sockets = [socket.socket() for _ in range(n)]
    try:
        for s in sockets:
            s.bind(("127.0.0.1", 0))
        return [s.getsockname()[1] for s in sockets]
    finally:
        for s in sockets:
            s.close()
