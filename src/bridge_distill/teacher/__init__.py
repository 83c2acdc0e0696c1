"""The teacher: the expert that is paid, its budget, and the replies that it leaves."""

from bridge_distill.teacher.budget import resolve_caps
from bridge_distill.teacher.planning import plan
from bridge_distill.teacher.serve import Server, serve, serve_expert
from bridge_distill.teacher.stage import check, teach

__all__ = ["Server", "check", "plan", "resolve_caps", "serve", "serve_expert", "teach"]
