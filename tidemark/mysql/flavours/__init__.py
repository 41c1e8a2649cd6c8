"""What differs between MySQL and MariaDB, behind one protocol: callers never compare names or versions."""
