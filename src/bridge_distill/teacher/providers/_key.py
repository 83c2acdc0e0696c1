"""Where a provider's key comes from, and how it is kept out of everything that is written down."""

from __future__ import annotations

import os
import re
import shlex
import subprocess

from bridge_distill.config import Teacher
from bridge_distill.errors import UserError

LONGEST_COMMAND = 30.0
_SHORTEST_SECRET = 8


def key_place(teacher: Teacher) -> str:
    """The setting to name where something is wrong with the key."""
    return "teacher.key_env" if teacher.key_command is None else "teacher.key_command"


def find_key(teacher: Teacher, variable: str) -> str:
    """The key from ``teacher.key_command``, else from the variable that ``teacher.key_env`` names, else ``variable``.

    Raises ``UserError`` without a usable key; neither a key nor what a command printed stands in it.
    """
    if teacher.key_command is not None and teacher.key_env is not None:
        raise UserError("teacher.key_command", "is set beside teacher.key_env", "keep one of the two")
    if teacher.key_command is not None:
        key = _printed(teacher.key_command)
    else:
        variable = teacher.key_env or variable
        key = os.environ.get(variable, "")
        if not key:
            raise UserError("teacher.key_env", f"no key, for {variable} is not set", f"export {variable}")
    if not re.fullmatch(r"[!-~]+", key):
        cure = "copy the key again, without spaces or line ends"
        raise UserError(key_place(teacher), "the key holds characters that no key has", cure)
    return key


def hide(text: str, key: str) -> str:
    """The text with ``[key]`` in place of the key.

    Local servers take a placeholder for a key (``EMPTY``, ``k``); one that may be a word stays.
    """
    secret = len(key) >= _SHORTEST_SECRET and not key.isalpha()
    return text.replace(key, "[key]") if secret else text


def _printed(command: str) -> str:
    place, cure = "teacher.key_command", "run it by hand; it must print the key and nothing else"
    try:
        words = shlex.split(command)
    except ValueError:
        raise UserError(place, "has a quote that is not closed", "close it") from None
    if not words:
        raise UserError(place, "is empty", "write a command that prints the key")
    try:
        done = subprocess.run(  # no shell: the words are the command
            words, stdin=subprocess.DEVNULL, capture_output=True, timeout=LONGEST_COMMAND, check=False
        )
    except subprocess.TimeoutExpired:
        problem = f"did not end within {LONGEST_COMMAND:g} s"
    except OSError as error:
        problem = f"cannot be run ({error.strerror})"
    else:
        problem = f"ended with status {done.returncode}" if done.returncode else ""
        key = done.stdout.decode("utf-8", "replace").strip()
        if not problem and not key:
            problem = "printed nothing"
        if not problem:
            return key
    # Outside the handlers: an expired command's exception holds what it had printed.
    raise UserError(place, problem, cure)
