"""The pages: their links exist, their commands are understood, the cheap ones run, their Python runs."""

import doctest
import importlib
import itertools
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from scalax import cli, launch, studies
from tests.registries import restored

ROOT = Path(__file__).parents[1]
FOLDERS = ("configs", "launch", "colab", "scalax", "tests")
PAGES = [ROOT / "README.md", *sorted(page for name in FOLDERS for page in (ROOT / name).rglob("*.md"))]
PARSER = MarkdownIt("commonmark").enable("table")
COLUMNS, FRONT_PAGE_LINES = 110, 140

# Commands of `scalax` that need no more than a file of curves, and the pages whose are run at once.
RUN, AT_ONCE = {"fit", "forecast", "bench", "cost"}, {"README.md"}
SLOW_COMMANDS = {"forecast", "bench"}  # they take over 5 s wherever they stand
SLOW_PYTHON = {"scalax/models/README.md"}
HISTORY = {"configs/LOG.md"}  # its flags may be gone by now
FOREIGN_FLAGS = {"--dry-run"}  # of the scripts in launch/
PLACEHOLDERS = {"CONFIG": "configs/quickstart.py", "FILE.py": "configs/quickstart.py", "START:STOP": "1:2"}
CURVES = {"runs.csv", "curves.csv", "CURVES.csv"}  # made here for commands that read one
HEADER = ("model", "flops", "loss")  # of each; a command that names others has a file of its own
NAMING = {"--x", "--y", "--by", "--lr", "--pool"}


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


each_page = pytest.mark.parametrize("page", PAGES, ids=name_of)


def tokens(page: Path) -> Iterator[Token]:
    """All of a page, those within lines and tables too."""
    for token in PARSER.parse(page.read_text()):
        yield token
        yield from token.children or ()


class Command(NamedTuple):
    """A command that a page shows, in words. whole: it stands in a block, so nothing is left out."""

    page: str
    words: list[str]
    whole: bool

    def __str__(self) -> str:
        return f"{self.page}: {shlex.join(self.words)}"


def commands_of(page: Path) -> Iterator[Command]:
    """Lines of blocks, and code within lines, without comments; joined where a line ends in a backslash."""
    for token in tokens(page):
        if token.type == "code_inline":
            lines = [token.content.replace("\n", " ")]
        elif token.type == "code_block" or (token.type == "fence" and token.info in ("", "bash", "sh")):
            lines = re.sub(r"\\\n\s*", "", token.content).splitlines()
        else:
            continue
        for line in lines:
            for part in re.split(r"\s&&\s", line):
                try:
                    words = shlex.split(part, comments=True)
                except ValueError:  # an apostrophe: not a command
                    continue
                while words and re.fullmatch(r"[A-Z_]+=\S*", words[0]):
                    words = words[1:]
                if words and "..." not in words:
                    words = [PLACEHOLDERS.get(word, word) for word in words]
                    yield Command(name_of(page), words, token.type != "code_inline")


def flags_of(words: list[str]) -> list[str]:
    return [word.partition("=")[0] for word in words if re.match(r"--[a-z]", word)]


COMMANDS = [command for page in PAGES for command in commands_of(page) if name_of(page) not in HISTORY]
LAUNCHES = [
    c._replace(words=c.words[len(start) :])
    for c in COMMANDS
    for start in (["python", "-m", "scalax.launch"], ["scalax", "train"])
    if c.words[: len(start)] == start
]
OURS = [c._replace(words=c.words[1:]) for c in COMMANDS if c.words[0] == "scalax" and len(c.words) > 1]
OURS += [c._replace(words=c.words[3:]) for c in COMMANDS if c.words[:3] == ["python", "-m", "scalax"]]


def links_of(page: Path) -> list[str]:
    found = [token.attrGet("href") or token.attrGet("src") for token in tokens(page)]
    return [str(link) for link in found if link and not re.match(r"https?:|mailto:", str(link))]


def anchors_of(page: Path) -> set[str]:
    """The names that GitHub gives to the headings of a page."""
    found, parsed = set(), PARSER.parse(page.read_text())
    for opening, inside in itertools.pairwise(parsed):
        if opening.type == "heading_open":
            text = "".join(token.content for token in inside.children or ())
            found.add(re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-"))
    return found


@each_page
def test_links_exist(page):
    missing = []
    for link in links_of(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and target.suffix == ".md" and anchor not in anchors_of(target)):
            missing.append(link)
    assert not missing


@each_page
def test_named_files_exist(page):
    """Code within lines that names a file of the repository."""
    named = {token.content for token in tokens(page) if token.type == "code_inline"}
    paths = [name for name in named if re.fullmatch(rf"({'|'.join(FOLDERS)}|\.ci)/[\w./*-]*", name)]
    assert not [path for path in paths if not list(ROOT.glob(path.rstrip("/")))]


def test_front_page_is_short():
    """In lines, and each line but rows of tables in columns."""
    lines = PAGES[0].read_text().splitlines()
    assert len(lines) <= FRONT_PAGE_LINES
    assert not [line for line in lines if len(line) > COLUMNS and not line.startswith("|")]


def test_front_page_has_its_two_commands():
    """As CI and newcomers copy them."""
    lines = [line.strip() for line in PAGES[0].read_text().splitlines()]
    install = 'python -m pip install -e ".[test]"'
    assert f"{install} && python -m scalax.launch configs/quickstart.py" in lines
    assert f"{install} && python -m pytest" in lines


def test_front_page_leads_to_every_page():
    linked = {(ROOT / link.partition("#")[0]).resolve() for link in links_of(PAGES[0])}
    assert not [name_of(page) for page in PAGES[1:] if page not in linked]


@pytest.mark.parametrize("command", LAUNCHES, ids=str)
def test_launches_build_their_config(command):
    words = [word for word in command.words if word != "--help"]
    if words:
        options, overrides = launch.parse(words)
        config = launch.override(launch.load(str(ROOT / options.config)), overrides, "the page")
        if not options.schedule:
            given = [launch.key_of(flag) for flag in launch.flags(overrides)]
            launch.check_used(launch.with_source(config, given, "the page"), studies.of(config), given)


@pytest.mark.parametrize("command", OURS, ids=str)
def test_commands_are_understood(command, monkeypatch):
    name, *words = command.words
    if name.startswith("--"):
        return
    assert name in cli.commands()
    if not command.whole:  # as 'scalax plan --free' says what an option does
        assert set(flags_of(words)) <= flags_of_command(name)
        return
    called = []
    monkeypatch.setattr(importlib.import_module(f"scalax.cli.{name}"), "run", called.append)
    words = ["8" if re.fullmatch("[A-Z]", word) else word for word in words]  # --image N
    if "--help" in words:
        with pytest.raises(SystemExit, match="0"):
            cli.main([name, *words])
    else:
        assert not cli.main([name, *words])
        assert called


def runnable(command: Command) -> bool:
    files = {word for word in command.words if word.endswith((".csv", ".jsonl"))}
    placeholders = [word for word in command.words if word.isupper()]
    names = [word.split(",") for flag, word in itertools.pairwise(command.words) if flag in NAMING]
    if files and not {*itertools.chain(*names)} <= {*HEADER}:
        return False
    return command.whole and command.words[0] in RUN and files <= CURVES and not placeholders


def is_slow(command: Command) -> bool:
    return command.page not in AT_ONCE or command.words[0] in SLOW_COMMANDS


RUNNABLE = [
    pytest.param(command, marks=pytest.mark.slow if is_slow(command) else (), id=str(command))
    for command in {tuple(command.words): command for command in reversed(OURS)}.values()
    if runnable(command)
]


@pytest.fixture
def desk(tmp_path, monkeypatch) -> Path:
    """Where the commands run: an empty directory with a file of curves."""
    rows = [",".join(HEADER)]
    for model, scale in (("small", 1.0), ("large", 0.8)):
        rows += [f"{model},{x:.6g},{scale * x**-0.1 + 0.1:.8f}" for x in np.geomspace(1e15, 1e19, 24)]
    for name in CURVES:
        (tmp_path / name).write_text("\n".join(rows) + "\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("command", RUNNABLE)
def test_commands_run(command, desk):
    assert not cli.main(command.words)


def flags_of_command(name: str) -> set[str]:
    parser = cli.Parser()
    importlib.import_module(f"scalax.cli.{name}").configure(parser)
    return {flag for action in parser._actions for flag in action.option_strings}


@pytest.fixture(scope="module")
def known_flags() -> set[str]:
    """Of the launch, of every setting of every config, and of every command."""
    known = {*FOREIGN_FLAGS, *re.findall(r"--[a-z]+", launch.__doc__ or "")}
    for path in (ROOT / "configs").glob("*.py"):
        keys = [key.replace("_", "-") for key in launch.keys(launch.load(str(path)))]
        known |= {f"--{key}" for key in keys}
        known |= {f"--{part}{dot}no-{name}" for part, dot, name in (key.rpartition(".") for key in keys)}
    return known.union(*map(flags_of_command, cli.commands()))


@each_page
def test_flags_exist(page, known_flags):
    """Flags that stand alone within a line; those of whole commands are tested with the command."""
    if name_of(page) in HISTORY:
        pytest.skip("a log names flags that are gone")
    shown = [c.words for c in commands_of(page) if c.words[0].startswith("--")]
    assert {flag.replace("_", "-") for words in shown for flag in flags_of(words)} <= known_flags


PYTHON = [
    pytest.param(page, marks=pytest.mark.slow if name_of(page) in SLOW_PYTHON else (), id=name_of(page))
    for page in PAGES
    if any(token.type == "fence" and token.info == "python" for token in tokens(page))
]


@pytest.fixture(autouse=True)
def registries() -> Iterator[None]:
    with restored():
        yield


@pytest.mark.parametrize("page", PYTHON)
def test_python_runs(page, registries, monkeypatch):
    """The blocks of a page, one after the other, from the root of a checkout; prompts are doctests."""
    monkeypatch.chdir(ROOT)
    names: dict = {"__name__": "page"}
    for token in tokens(page):
        if token.type == "fence" and token.info == "python":
            if ">>>" in token.content:
                example = doctest.DocTestParser().get_doctest(token.content, names, name_of(page), None, 0)
                assert doctest.DocTestRunner().run(example, clear_globs=False).failed == 0
                names |= example.globs
            else:
                exec(compile(token.content, name_of(page), "exec"), names)
