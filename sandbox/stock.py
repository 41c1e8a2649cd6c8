"""A stock server on a restored data folder: no option but where things are and what no two servers can share."""

from __future__ import annotations

from sandbox.primary import Primary


class StockServer(Primary):
    """A server as a person would start it on a restored folder. Give it ``data``; its own files are in ``folder``."""

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
            "tmpdir": self.folder,  # not the machine's: a MariaDB that starts there removes others' temporary tables
        }
        if self.flavour == "mysql":
            # Both defaults belong to the machine, and one server at most could have them.
            lines |= {"mysqlx": "OFF", "secure-file-priv": "NULL"}
        return "[mysqld]\n" + "".join(f'{name} = "{value}"\n' for name, value in lines.items())
