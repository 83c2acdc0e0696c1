"""A report page as a browser would read it."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path


class Page(HTMLParser):
    """What a browser would see: tags with attributes, visible text, table rows, and what scripts hold."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.rows: list[list[str]] = []
        self.scripts: list[str] = []
        self.text = ""
        self.style = ""
        self._in_cell = False

    @classmethod
    def read(cls, path: Path) -> Page:
        page = cls()
        page.feed(path.read_text(encoding="utf-8"))
        page.close()
        return page

    @property
    def ids(self) -> list[str | None]:
        """Every id, in order."""
        return [found["id"] for _, found in self.tags if "id" in found]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "script":
            self.scripts.append("")
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        if tag == "br" and self._in_cell:
            self.rows[-1][-1] += "\n"
        self._in_cell = tag in ("td", "th") or (self._in_cell and tag != "tr")

    def handle_endtag(self, tag: str) -> None:
        self._in_cell = self._in_cell and tag not in ("td", "th", "tr")

    def handle_data(self, data: str) -> None:
        if self.cdata_elem == "script":
            self.scripts[-1] += data
        elif self.cdata_elem == "style":
            self.style += data
        else:
            self.text += data.replace("\N{NO-BREAK SPACE}", " ")
            if self._in_cell:
                self.rows[-1][-1] += data
