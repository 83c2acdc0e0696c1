"""The hostile teacher: a loopback server that behaves like the real providers, and misbehaves on demand.

It bills what it works, also what it loses afterwards, and keeps its own books, so that a ledger can
be compared with what was really billed.
"""

from bridge_distill.teacher.loopback.faults import Fault
from bridge_distill.teacher.loopback.office import AnswerFn, Billed, CallFaultFn, FaultFn
from bridge_distill.teacher.loopback.script import Script, read_script
from bridge_distill.teacher.loopback.server import Server, serve, serve_expert

__all__ = [
    "AnswerFn",
    "Billed",
    "CallFaultFn",
    "Fault",
    "FaultFn",
    "Script",
    "Server",
    "read_script",
    "serve",
    "serve_expert",
]
