"""A stock server on a restored data folder: nothing of Tidemark's, and no option but where things are."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from sandbox.primary import Primary
from sandbox.programs import Flavour


class StockServer(Primary):
    """A server as a person would start it on a restored folder."""

    def position(self) -> str:
        """The replicated GTID position that the data holds, without white space."""
        variable = "@@GLOBAL.gtid_executed" if self.flavour == "mysql" else "@@GLOBAL.gtid_slave_pos"
        return "".join(str(self.execute(f"SELECT {variable}")[0][0]).split())

    def _option_file(self) -> str:
        lines = {
            "datadir": self.data,
            "socket": self.socket,
            "pid-file": self.folder / "server.pid",
            "log-error": self.log,
            "port": self.port,
            "bind-address": self.host,
        }
        # A user of this machine's configuration; root's own accounts are the primary's, and it has no password there.
        return "[mysqld]\n" + "".join(f'{name} = "{value}"\n' for name, value in lines.items())


@contextlib.contextmanager
def stock_server(flavour: Flavour, data: Path, folder: Path) -> Iterator[StockServer]:
    """Starts a stock server on ``data``; its own files are in ``folder``."""
    with StockServer(folder, flavour, data=data, tls="off") as server:
        yield server
