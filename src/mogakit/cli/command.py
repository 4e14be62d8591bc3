"""What every command has: options without effect are rejected, old spellings warn, and help is never cut."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from mogakit.errors import closest
from mogakit.neutral import printable
from mogakit.progress import progress_log

F = TypeVar("F", bound=Callable[..., Any])

Given = Mapping[str, Any]
"""The parameters of a call by the names that the command's function has for them."""

LOG, OPEN_LOG = "mogakit.log", "mogakit.open_log"
"""Keys of a context's `meta`: the file of `--log`, and the log while the command runs."""

_RULES, _RENAMED = "__moga_ignored__", "__moga_renamed__"


@dataclass(frozen=True)
class Ignored:
    """A rule: where `when` holds, the options named have no effect, so whoever gives one is mistaken.

    Attributes:
        names: of the parameters.
        when: of the parameters of the call.
        because: completes the sentence `--option has no effect: ...`.
    """

    names: tuple[str, ...]
    when: Callable[[Given], bool]
    because: str


@dataclass(frozen=True)
class Renamed:
    """An old spelling of an option, accepted for one release.

    Attributes:
        old: `--population`.
        new: the arguments that stand for it now, `{}` for its value: (`--set`, `population={}`).
        takes_value: whether a value follows.
    """

    old: str
    new: tuple[str, ...]
    takes_value: bool = True


def ignored(*names: str, when: Callable[[Given], bool], because: str) -> Callable[[F], F]:
    """Reject the options named where `when` holds; see `Ignored`. Stands below the decorators of the options."""
    return _noting(_RULES, Ignored(names, when, because))


def renamed(old: str, *new: str, takes_value: bool = True) -> Callable[[F], F]:
    """Accept an old spelling with a warning; see `Renamed`."""
    return _noting(_RENAMED, Renamed(old, new, takes_value))


def _noting(attribute: str, item: object) -> Callable[[F], F]:
    def note(function: F) -> F:
        setattr(function, attribute, (item, *getattr(function, attribute, ())))
        return function

    return note


class _Strict(click.Command):
    """What a command and a group that is called by itself have in common."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Take what `ignored` and `renamed` noted on the function."""
        super().__init__(*args, **kwargs)
        self.rules: Sequence[Ignored] = getattr(self.callback, _RULES, ())
        self.renamed: Sequence[Renamed] = getattr(self.callback, _RENAMED, ())

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Replace old spellings, parse, and reject what would have no effect."""
        left = super().parse_args(ctx, self._respelled(args))
        if not ctx.resilient_parsing:
            for rule in self.rules:
                self._check(ctx, rule)
        return left

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; where `--log` is given, with its file open until the command ends."""
        if LOG in ctx.meta and OPEN_LOG not in ctx.meta:
            name = ctx.command_path.partition(" ")[2]
            ctx.meta[OPEN_LOG] = ctx.with_resource(progress_log(ctx.meta[LOG], name, _warn))
        return super().invoke(ctx)

    def _check(self, ctx: click.Context, rule: Ignored) -> None:
        if rule.when(ctx.params):
            reject_given(rule.names, rule.because, ctx)

    def _respelled(self, args: Sequence[str]) -> list[str]:
        old = {each.old: each for each in self.renamed}
        words = list(args)
        done: list[str] = []
        while words:
            word = words.pop(0)
            if word == "--":
                return [*done, word, *words]
            name, equals, value = word.partition("=")
            known = old.get(name)
            if known is None:
                done.append(word)
                continue
            if known.takes_value and not equals:
                if not words:
                    done.append(word)
                    continue
                value = words.pop(0)
            new = [part.format(value) for part in known.new]
            click.echo(f"warning: {known.old} is deprecated; write {' '.join(new)}", err=True)
            done += new
        return done


def _warn(text: str) -> None:
    click.echo(f"warning: {printable(text)}", err=True)


class Command(_Strict):
    """A command of `moga`."""


def reject_given(names: Sequence[str], because: str, context: click.Context | None = None) -> None:
    """Reject those parameters that the person typed, since they have no effect; see `Ignored`.

    Raises:
        UsageError: one was typed.
    """
    ctx = context or click.get_current_context()
    given = [name for name in names if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE]
    if not given:
        return
    spelled = {option.name: option.opts[-1] for option in ctx.command.params}
    many = " and ".join(filter(None, (", ".join(spelled[name] for name in given[:-1]), spelled[given[-1]])))
    raise click.UsageError(f"{many} {'has' if len(given) == 1 else 'have'} no effect: {because}", ctx)


class Group(_Strict, click.Group):
    """A group of commands."""

    command_class = Command
    group_class = type

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the first sentence of every command, whole."""
        rows = []
        for name in self.list_commands(ctx):
            command = self.get_command(ctx, name)
            if command is not None and not command.hidden:
                rows.append((name, first_sentence(command.help or "")))
        if rows:
            with formatter.section("Commands"):
                formatter.write_dl(rows)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that is called; suggest names where there is none.

        Raises:
            UsageError: there is none.
        """
        name = args[0]
        if self.get_command(ctx, name) is None and not ctx.resilient_parsing and not name.startswith("-"):
            near = closest(name, self.list_commands(ctx))
            hint = f"did you mean {', '.join(near)}?" if near else f"supported: {', '.join(self.list_commands(ctx))}"
            ctx.fail(f"unknown command {name!r}; {hint}")
        return super().resolve_command(ctx, args)


def first_sentence(text: str) -> str:
    """Return the first sentence of a help text, on one line."""
    paragraph = " ".join(text.strip().split("\n\n")[0].split())
    return paragraph.split(". ")[0].rstrip(".") + "." if paragraph else ""


def command(name: str, **settings: Any) -> Callable[[Callable[..., Any]], Command]:
    """Return a decorator that makes a function a command of `moga`."""
    return click.command(name, cls=Command, **settings)


def group(name: str, **settings: Any) -> Callable[[Callable[..., Any]], Group]:
    """Return a decorator that makes a function a group of commands."""
    return click.group(name, cls=Group, **settings)
