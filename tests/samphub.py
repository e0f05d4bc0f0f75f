# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""A SAMP hub of the tests' own, and clients of it: nobody's desktop is met, and no name is looked up."""

import itertools
import os
import threading
import time
import urllib.request
from contextlib import contextmanager

import pytest
from pyvo.samp import SAMPHubServer, SAMPIntegratedClient
from pyvo.samp import conf as samp_conf
from pyvo.samp.utils import ServerProxyPool

from stellarclass.tables import read_table


def isolate(patch, folder):
    """Make this process, and those it starts, look for a hub in a folder of the tests' own."""
    import matplotlib

    lock = folder / "samp.lock"
    patch.setenv("MPLCONFIGDIR", matplotlib.get_cachedir())  # not to list all fonts again
    patch.setenv("HOME", str(folder))
    patch.setenv("SAMP_HUB", f"std-lockurl:file://{lock}")
    return lock


@contextmanager
def running_hub(lock):
    """pyvo's hub, on loopback."""
    # Clients that have left without a word are not called ten times.
    with samp_conf.set_temp("use_internet", False), samp_conf.set_temp("n_retries", 2):
        hub = SAMPHubServer(web_profile=False, addr="127.0.0.1", lockfile=str(lock), mode="single")
        hub.start()
        try:
            yield hub
        finally:
            # Connections that clients keep alive, as DS9 does, are left open by pyvo.
            for _, pool in hub._xmlrpc_endpoints.values():
                for _ in range(pool._proxies.qsize() if isinstance(pool, ServerProxyPool) else 0):
                    proxy = pool._proxies.get()
                    proxy("close")()
                    pool._proxies.put(proxy)
            hub.stop()


class Desktop:
    """A program like TOPCAT: takes tables, and sends messages.

    Attributes
    ----------
    tables : list of tuple
        Parameters of each message that brought a table, and the table.
    """

    def __init__(self, name="desktop", mtypes=("table.load.votable", "table.load.fits"), folder=None, answer=None):
        self.name, self.tables, self.folder, self.answer = name, [], folder, answer
        with samp_conf.set_temp("use_internet", False):
            self.client = SAMPIntegratedClient(name=name, addr="127.0.0.1")
            self.client.connect()
        self._come, self._asked = threading.Condition(), itertools.count()

        for mtype in mtypes:
            self.subscribe(mtype)

    def subscribe(self, mtype):
        def take(private_key, sender, message, mtype, params, extra):
            self._take(message, mtype, params)

        self.client.bind_receive_call(mtype, take)

    def _take(self, message, mtype, params):
        if self.answer is not None:
            if self.answer != "silence":
                self.client.reply(message, self.answer)
            return
        file = self.folder / f"{self.name}{len(self.tables)}"
        with urllib.request.urlopen(params["url"], timeout=10) as stream:
            file.write_bytes(stream.read())
        table = read_table(file, format=mtype.rpartition(".")[2])
        with self._come:
            self.tables.append((params, table))
            self.client.ereply(message, "samp.ok", result={})
            self._come.notify_all()

    def await_tables(self, n, timeout=20):
        with self._come:
            assert self._come.wait_for(lambda: len(self.tables) >= n, timeout), "no table came"
        return self.tables

    def find(self, name, timeout=20):
        """Identifier of the client of this name, when it is there."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            for client in self.client.get_registered_clients():
                if self.client.get_metadata(client).get("samp.name") == name:
                    return client
            time.sleep(0.05)
        raise AssertionError(f"no client {name} came to the hub")

    def ask(self, client, mtype, timeout=20, **params):
        """Send a message and wait for the answer; an underscore in a name of a parameter stands for a hyphen."""
        params = {key.replace("_", "-"): value for key, value in params.items()}
        # Not by `call_and_wait`: pyvo's hub drops an answer that comes before it has noted that one is waited for.
        come, answers, tag = threading.Event(), [], f"ask{next(self._asked)}"

        def take(private_key, responder, tag, response):
            answers.append(response)
            come.set()

        self.client.bind_receive_response(tag, take)
        try:
            self.client.call(client, tag, {"samp.mtype": mtype, "samp.params": params})
            if not come.wait(timeout):
                raise TimeoutError(f"{mtype} was not answered in {timeout} s")
        finally:
            self.client.unbind_receive_response(tag)
        return answers[0]

    def close(self):
        self.client.disconnect()


def need(missing, install):
    """Skip where programs are missing, and fail in CI."""
    if missing:
        reason = f"{' and '.join(missing)} not installed: apt-get install -y --no-install-recommends {install}"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
