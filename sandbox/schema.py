"""A schema with everything that has ever broken a copy, for both flavours."""

from __future__ import annotations

import contextlib
import json
import random

from MySQLdb.connections import Connection

from sandbox.primary import Primary

PLAIN = "shop"
ODD = "Größe und 名前"
"""A schema whose name has spaces and letters beyond ASCII."""
ODD_TABLE = "tägliche Läufe #1"

_COMMON = (
    f"CREATE DATABASE `{PLAIN}` CHARACTER SET utf8mb4",
    f"CREATE DATABASE `{ODD}` CHARACTER SET utf8mb4",
    f"USE `{PLAIN}`",
    """CREATE TABLE customer (
        id INT UNSIGNED AUTO_INCREMENT PRIMARY KEY, name VARCHAR(80) NOT NULL, country CHAR(2) NOT NULL DEFAULT 'DE',
        net DECIMAL(12,2) NOT NULL DEFAULT 0, gross DECIMAL(12,2) AS (net * 1.19) STORED,
        initial CHAR(1) AS (LEFT(name, 1)) VIRTUAL, changed TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
        KEY (initial), KEY (country, name)) ENGINE=InnoDB""",
    """CREATE TABLE invoice (
        id INT UNSIGNED AUTO_INCREMENT PRIMARY KEY, customer_id INT UNSIGNED NOT NULL, total DECIMAL(12,2) NOT NULL,
        state ENUM('open','paid','lost') NOT NULL DEFAULT 'open', notes JSON,
        CONSTRAINT invoice_customer FOREIGN KEY (customer_id) REFERENCES customer (id) ON DELETE CASCADE)
        ENGINE=InnoDB""",
    "CREATE TABLE audit (id BIGINT AUTO_INCREMENT PRIMARY KEY, what VARCHAR(200) NOT NULL) ENGINE=InnoDB",
    """CREATE TABLE reading (
        id INT NOT NULL, taken DATE NOT NULL, amount DOUBLE NOT NULL, PRIMARY KEY (id, taken)) ENGINE=InnoDB
        PARTITION BY RANGE (YEAR(taken)) (
            PARTITION p2024 VALUES LESS THAN (2025), PARTITION p2025 VALUES LESS THAN (2026),
            PARTITION later VALUES LESS THAN MAXVALUE)""",
    """CREATE TABLE bucket (id INT PRIMARY KEY, word VARCHAR(40)) ENGINE=InnoDB PARTITION BY HASH (id) PARTITIONS 3""",
    """CREATE TABLE article (
        id INT AUTO_INCREMENT PRIMARY KEY, title VARCHAR(200), body TEXT, FULLTEXT KEY words (title, body))
        ENGINE=InnoDB""",
    """CREATE TABLE place (
        id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(50), spot POINT NOT NULL, SPATIAL KEY (spot)) ENGINE=InnoDB""",
    "CREATE TABLE picture (id INT AUTO_INCREMENT PRIMARY KEY, data LONGBLOB NOT NULL) ENGINE=InnoDB",
    """CREATE TABLE squeezed (id INT AUTO_INCREMENT PRIMARY KEY, text TEXT) ENGINE=InnoDB
        ROW_FORMAT=COMPRESSED KEY_BLOCK_SIZE=8""",
    "CREATE TABLE nothing (id INT PRIMARY KEY, what TEXT) ENGINE=InnoDB",
    "CREATE TABLE old_isam (id INT AUTO_INCREMENT PRIMARY KEY, word VARCHAR(60), FULLTEXT KEY (word)) ENGINE=MyISAM",
    f"""CREATE TABLE `{ODD}`.`{ODD_TABLE}` (
        `Nummer` INT AUTO_INCREMENT PRIMARY KEY, `Wert in €` DECIMAL(10,2), `Wörter` VARCHAR(100)) ENGINE=InnoDB""",
    f"CREATE TABLE `{ODD}`.old_isam (id INT PRIMARY KEY, word VARCHAR(60)) ENGINE=MyISAM",
    "CREATE VIEW open_invoice AS SELECT c.name, i.total FROM invoice i JOIN customer c ON c.id = i.customer_id "
    "WHERE i.state = 'open'",
    "CREATE VIEW open_count AS SELECT COUNT(*) AS n FROM open_invoice",
    """CREATE TRIGGER invoice_made AFTER INSERT ON invoice FOR EACH ROW
        INSERT INTO audit (what) VALUES (CONCAT('invoice ', NEW.id, ' of ', NEW.total))""",
    """CREATE TRIGGER customer_gone BEFORE DELETE ON customer FOR EACH ROW
        INSERT INTO audit (what) VALUES (CONCAT('customer ', OLD.id, ' leaves'))""",
    "CREATE TRIGGER isam_made BEFORE INSERT ON old_isam FOR EACH ROW SET NEW.word = UPPER(NEW.word)",
    "CREATE FUNCTION double_of(n INT) RETURNS INT DETERMINISTIC RETURN n * 2",
    """CREATE PROCEDURE pay(IN which INT UNSIGNED) MODIFIES SQL DATA
        BEGIN UPDATE invoice SET state = 'paid' WHERE id = which; END""",
    "CREATE EVENT sweep ON SCHEDULE EVERY {event_seconds} SECOND STARTS '2030-01-01 00:00:00' ON COMPLETION PRESERVE "
    "ENABLE DO INSERT INTO audit (what) VALUES ('swept')",
    "CREATE USER 'reader'@'%' IDENTIFIED BY 'a test password'",
    f"GRANT SELECT ON `{PLAIN}`.* TO 'reader'@'%'",
)

_MYSQL = (
    "CREATE TABLESPACE shared_space ADD DATAFILE 'shared_space.ibd'",
    "CREATE TABLE in_space (id INT AUTO_INCREMENT PRIMARY KEY, word TEXT) TABLESPACE shared_space",
    "INSERT INTO in_space (word) VALUES ('in a general tablespace')",
)

_MARIADB = (
    "CREATE TABLE old_aria (id INT AUTO_INCREMENT PRIMARY KEY, word VARCHAR(60)) ENGINE=Aria",
    "INSERT INTO old_aria (word) VALUES ('aria'), ('arioso')",
    "CREATE TABLE versioned (id INT PRIMARY KEY, word VARCHAR(60)) ENGINE=InnoDB WITH SYSTEM VERSIONING",
    "INSERT INTO versioned VALUES (1, 'first')",
    "UPDATE versioned SET word = 'second'",
    "CREATE SEQUENCE counter START WITH 100 INCREMENT BY 10",
    "SELECT NEXT VALUE FOR counter",
)


def create_rich_schema(primary: Primary, *, event_starts: str = "2030-01-01 00:00:00") -> None:
    """Makes the schemas ``PLAIN`` and ``ODD`` with some rows in every table but the one that stays empty.

    Partitions, generated columns, full-text and spatial indexes, foreign keys, views, triggers, routines, a scheduled
    event, blobs of megabytes, a compressed row format, MyISAM, an account; MySQL: a general tablespace; MariaDB: Aria,
    a system-versioned table, a sequence. The event fires each second from ``event_starts`` (UTC) on; on the primary
    only if it was started with ``event-scheduler = ON``.
    """
    statements = [text.replace("{event_seconds}", "1").replace("2030-01-01 00:00:00", event_starts) for text in _COMMON]
    more = _MYSQL if primary.flavour == "mysql" else _MARIADB
    with contextlib.closing(primary.root()) as connection:
        for statement in (*statements, *more):
            _execute(connection, statement)
        _add_rows(connection)


def _add_rows(connection: Connection) -> None:
    chance = random.Random(7)
    words = ["tide", "mark", "ebb", "flow", "harbour", "buoy", "lantern", "quay", "Ärmel", "Straße", "港", "潮"]
    for number in range(1, 201):
        name = f"{chance.choice(words)} {number}"
        _execute(connection, "INSERT INTO customer (name, net) VALUES (%s, %s)", name, chance.randint(1, 10**6) / 100)
        notes = json.dumps({"n": number, "w": chance.choice(words)})
        invoice = "INSERT INTO invoice (customer_id, total, notes) VALUES (%s, %s, %s)"
        _execute(connection, invoice, number, chance.randint(100, 10**5) / 100, notes)
    many = (
        (
            "INSERT INTO reading VALUES (%s, %s, %s)",
            [(n, f"{2024 + n % 4}-06-{1 + n % 28:02}", n / 7) for n in range(300)],
        ),
        ("INSERT INTO bucket VALUES (%s, %s)", [(n, chance.choice(words)) for n in range(200)]),
        (
            "INSERT INTO article (title, body) VALUES (%s, %s)",
            [(chance.choice(words), " ".join(chance.choices(words, k=80))) for _ in range(100)],
        ),
        (
            "INSERT INTO place (name, spot) VALUES (%s, ST_GeomFromText(%s))",
            [(chance.choice(words), f"POINT({chance.uniform(-90, 90)} {chance.uniform(-90, 90)})") for _ in range(100)],
        ),
        ("INSERT INTO picture (data) VALUES (%s)", [(chance.randbytes(size),) for size in (3 << 20, 1 << 20, 17)]),
        ("INSERT INTO squeezed (text) VALUES (%s)", [(" ".join(chance.choices(words, k=200)),) for _ in range(200)]),
        ("INSERT INTO old_isam (word) VALUES (%s)", [(chance.choice(words),) for _ in range(100)]),
        (
            f"INSERT INTO `{ODD}`.`{ODD_TABLE}` (`Wert in €`, `Wörter`) VALUES (%s, %s)",
            [(chance.randint(0, 10**6) / 100, chance.choice(words)) for _ in range(100)],
        ),
        (f"INSERT INTO `{ODD}`.old_isam VALUES (%s, %s)", [(n, chance.choice(words)) for n in range(50)]),
    )
    for statement, rows in many:
        with connection.cursor() as cursor:
            cursor.executemany(statement, rows)


def _execute(connection: Connection, statement: str, *arguments: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, arguments or None)
        cursor.fetchall()
