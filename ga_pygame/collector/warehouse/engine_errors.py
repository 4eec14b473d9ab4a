"""Tell what an error of DuckDB comes from: a damaged file, a full disk, another program, or the data."""

from __future__ import annotations

import errno
import os

import duckdb

_FULL_DISK_TEXTS = tuple(
    os.strerror(number).lower()
    for number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EMFILE, errno.ENFILE, errno.ENOMEM)
)


def is_open_elsewhere(error: Exception) -> bool:
    """Whether another process has the file open."""
    return isinstance(error, duckdb.IOException) and "lock" in str(error).lower()


def is_of_the_machine(error: Exception) -> bool:
    """Whether a file that may be good cannot be used now: it is locked, or no disk, memory or descriptor is free."""
    if is_open_elsewhere(error) or isinstance(error, duckdb.OutOfMemoryException):
        return True
    return any(words in str(error).lower() for words in _FULL_DISK_TEXTS)


def is_corrupt(error: Exception) -> bool:
    """Whether DuckDB found bytes in its file that it did not write."""
    return isinstance(error, duckdb.Error) and any(word in str(error).lower() for word in ("checksum", "corrupt"))


def is_broken(error: Exception) -> bool:
    """Whether DuckDB answers nothing more until the file is opened again."""
    return isinstance(error, duckdb.FatalException | duckdb.InternalError)


def is_cured_by_new_file(error: Exception) -> bool:
    """Whether an error comes from the content of DuckDB's file, or from a defect that another file may not have."""
    return (is_broken(error) or is_corrupt(error)) and not is_of_the_machine(error)


def is_of_the_data(error: duckdb.Error) -> bool:
    """Whether other events could be projected: the error is not one of the disk, of memory or of DuckDB itself."""
    if isinstance(error, duckdb.OperationalError | duckdb.ConnectionException | duckdb.InterruptException):
        return False
    return not (is_cured_by_new_file(error) or is_broken(error) or is_of_the_machine(error))
