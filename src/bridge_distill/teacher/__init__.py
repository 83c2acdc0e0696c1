"""The teacher: the expert that is paid, its budget, and the replies that it leaves."""

from bridge_distill.teacher.planning import plan
from bridge_distill.teacher.serve import Server, serve, serve_expert
from bridge_distill.teacher.stage import teach

__all__ = ["Server", "plan", "serve", "serve_expert", "teach"]
