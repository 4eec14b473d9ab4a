"""Parses files of Python; each test process parses a file once."""

from __future__ import annotations

import ast
import functools
from pathlib import Path


@functools.cache
def parsed(path: Path) -> ast.Module:
    """Return the syntax tree of a file; callers only read it."""
    return ast.parse(path.read_text(encoding="utf-8"))
