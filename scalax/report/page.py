"""A self-contained HTML page: text is escaped, figures are embedded."""

import base64
import contextlib
import html
from collections.abc import Iterator, Sequence

from etils import epath

STYLE = """
body{font:16px/1.5 system-ui,sans-serif;color:#222;max-width:72rem;margin:2rem auto;padding:0 1rem}
h1{margin-bottom:.2rem}h2{margin-top:2.2rem;border-bottom:1px solid #ddd}
.wide{overflow-x:auto;margin:1rem 0}
table{border-collapse:collapse;font-size:.92rem;font-variant-numeric:tabular-nums}
th,td{padding:.25rem .6rem;border-bottom:1px solid #e4e4e4;text-align:right}
th:first-child,td:first-child{text-align:left}td:not(:last-child){white-space:nowrap}td:last-child{min-width:6rem}
figure{margin:1rem 0}figure img{max-width:100%;height:auto}figcaption,.note{color:#555;font-size:.92rem}
.answer{font-size:1.15rem;font-weight:600}
details{border-bottom:1px solid #ddd}summary{cursor:pointer;padding:.5rem 0;font-weight:600}
p,li,h1,h2,summary,figcaption{overflow-wrap:anywhere}
pre{background:#f6f6f6;padding:1rem;overflow-x:auto;font-size:.85rem}
"""


class Page:
    """Collects parts in order; `render` gives the page as HTML."""

    def __init__(self, title: str):
        self.title = title
        self.parts = [f"<h1>{html.escape(title)}</h1>"]

    def heading(self, text: str) -> None:
        self.parts.append(f"<h2>{html.escape(text)}</h2>")

    def text(self, text: str) -> None:
        self.parts.append(f"<p>{html.escape(text)}</p>")

    def answer(self, text: str) -> None:
        """What the page says, to be read first."""
        self.parts.append(f'<p class="answer">{html.escape(text)}</p>')

    @contextlib.contextmanager
    def details(self, title: str) -> Iterator[None]:
        """Parts that are folded away until a reader opens them."""
        self.parts.append(f"<details><summary>{html.escape(title)}</summary>")
        yield
        self.parts.append("</details>")

    def code(self, text: str) -> None:
        self.parts.append(f"<pre>{html.escape(text)}</pre>")

    def figure(self, path: epath.Path, caption: str) -> None:
        data = base64.b64encode(path.read_bytes()).decode()
        caption = html.escape(caption)
        self.parts.append(
            f'<figure><img alt="{caption}" src="data:image/png;base64,{data}">'
            f"<figcaption>{caption}</figcaption></figure>"
        )

    def table(self, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        head = "".join(f"<th>{html.escape(cell)}</th>" for cell in header)
        body = "".join("<tr>" + "".join(f"<td>{html.escape(c)}</td>" for c in row) + "</tr>" for row in rows)
        table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        self.parts.append(f'<div class="wide">{table}</div>')

    def render(self) -> str:
        return (
            '<!doctype html><html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width,initial-scale=1">'
            f"<title>{html.escape(self.title)}</title><style>{STYLE}</style></head>"
            f"<body>{''.join(self.parts)}</body></html>\n"
        )
