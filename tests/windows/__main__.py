"""Runs the unit tests, or a program, with CPython for Windows under Wine."""

from __future__ import annotations

import argparse
import sys

from tests.windows.installation import Installation, MissingPartError, default_folder

