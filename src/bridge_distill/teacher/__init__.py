"""The teacher: the expert that is paid, its budget, and the replies that it leaves."""

from bridge_distill.teacher.budget import caps_more_than_queries, most_queries, owner_of, shared_scope
from bridge_distill.teacher.loopback import Server, serve, serve_expert
from bridge_distill.teacher.planning import plan
from bridge_distill.teacher.prices import price_of
from bridge_distill.teacher.stage import check, teach

__all__ = [
    "Server",
    "caps_more_than_queries",
    "check",
    "most_queries",
    "owner_of",
    "plan",
    "price_of",
    "serve",
    "serve_expert",
    "shared_scope",
    "teach",
]
