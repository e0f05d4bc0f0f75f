# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""SkyServer by astroquery's words and our own transport, so that requests end and answers are bounded."""

import json
import threading
import warnings
from contextlib import contextmanager
from dataclasses import dataclass

from ..exceptions import BadAnswerError
from .transport import page_title

__all__ = ["short", "skyserver_client"]

_MAX_ANSWER = 64_000_000  # bytes; a row has about 200
_BASE_URL_LOCK = threading.Lock()


@dataclass(frozen=True)
class Answer:
    """As much of a `requests.Response` as astroquery reads."""

    text: str
    parsed: object = None

    def json(self):
        return json.loads(self.text)


@contextmanager
def skyserver_client(base_url, fetch, *, parse=None):
    """The client of astroquery for SDSS, its requests made by ``fetch``.

    Parameters
    ----------
    base_url : str
        Address of SkyServer.
    fetch : callable
        `Transport.fetch`, which carries the requests.
    parse : callable, optional
        Called with the text of each answer and its address; what it returns is the answer's ``parsed``. A
        `BadAnswerError` that it raises, where the answer is not whole, counts as a failed try.

    Yields
    ------
    astroquery.sdss.SDSSClass
        With ``last_url``, the address that was asked last.
    """
    from astroquery.sdss import SDSSClass
    from astroquery.sdss import conf as astroquery_conf

    class Client(SDSSClass):
        last_url = "SkyServer"

        def _request(self, method, url, params=None, data=None, files=None, **unused):
            # Called by astroquery with its own time-out and cache, in place of which ours are used: its time-out does
            # not bound the answer, and its cache is made of pickles.
            self.last_url = url

            def read(pieces):
                body = b"".join(pieces)
                text = body.decode("utf-8", "replace")
                if text.lstrip()[:1] == "<":
                    raise BadAnswerError(f"SkyServer sent {page_title(body) or 'markup'} instead of a table", url)
                if "error_message" in text:
                    raise BadAnswerError(f"SkyServer reports an error: {short(text)}", url)
                # astropy's readers take text of one line for the name of a file, or an address, and would open that.
                return Answer(text + "\n", None if parse is None else parse(text, url))

            return fetch(url, read, limit=_MAX_ANSWER, method=method, params=params, data=data, files=files)

    # astroquery takes the address from its own configuration only, which all threads share.
    with _BASE_URL_LOCK, astroquery_conf.set_temp("skyserver_baseurl", base_url.rstrip("/")), warnings.catch_warnings():
        # The list of valid columns is of no use here: the columns are given.
        warnings.filterwarnings("ignore", "Field info are not available for this data release")
        yield Client()


def short(text):
    """The beginning of an answer, in one line."""
    text = " ".join(str(text).split())
    return text if len(text) <= 200 else text[:200] + " ..."
