"""What a recipe is: `name(folder, config, *, resume, stage) -> result`, one module per published system, and how it is set.

The `config` parameter's default is the standard setting, a `RecipeConfig`; every hyper-parameter says where it comes from. A TOML file,
`key=value` words and `quick()` change single values. The result is a record with `checkpoint`, `report` and `lines()`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol, Self, get_type_hints

import msgspec

from burnish.core import plugins
from burnish.core.errors import InputError
from burnish.core.records import Record
from burnish.training.files import values_of

Stage = Callable[[str], AbstractContextManager[Callable[[int, int, str], None]]]
"""Given a stage's title, a context that yields `update(done, total, note)`."""
Origin = Literal["paper", "reconstructed", "ours"]


@contextmanager
def silent(title: str) -> Iterator[Callable[[int, int, str], None]]:
    """A `Stage` that shows nothing."""
    yield lambda done, total, note: None


class Provenance(NamedTuple):
    """Where a hyper-parameter's value comes from, and in a few words what the paper has or why not."""

    origin: Origin
    note: str = ""


def paper(note: str = "") -> Provenance:
    """The value is the paper's."""
    return Provenance("paper", note)


def reconstructed(note: str = "") -> Provenance:
    """The paper does not say; this is what its tools or context suggest."""
    return Provenance("reconstructed", note)


def ours(note: str = "") -> Provenance:
    """Our choice, for our sizes."""
    return Provenance("ours", note)


class RecipeConfig(Record, forbid_unknown_fields=True):
    """The settings of a recipe. Each field is `Annotated` with its `Provenance`, or is such a record itself."""

    @classmethod
    def quick(cls) -> Self:
        """A setting of a few minutes that shows the way; its figures say nothing."""
        raise NotImplementedError


class Setting(NamedTuple):
    """One hyper-parameter as the report shows it."""

    name: str
    value: Any
    provenance: Provenance


def settings(config: Record, prefix: str = "") -> list[Setting]:
    """Every hyper-parameter of a config with its provenance, by dotted name. One without is `ours`."""
    found: list[Setting] = []
    for name, kind in get_type_hints(type(config), include_extras=True).items():
        value = getattr(config, name)
        if isinstance(value, Record):
            found += settings(value, f"{prefix}{name}.")
        else:
            given = [one for one in getattr(kind, "__metadata__", ()) if isinstance(one, Provenance)]
            found.append(Setting(f"{prefix}{name}", value, given[0] if given else ours()))
    return found


class Result(Protocol):
    """What every recipe's result tells."""

    @property
    def checkpoint(self) -> str:
        """Folder of the trained model."""
        ...

    @property
    def report(self) -> str:
        """The page."""
        ...

    def lines(self) -> list[str]:
        """What was found, in a few lines for a terminal."""
        ...


class Chosen(NamedTuple):
    """A recipe as it was asked for: its function, its config, and where it shall write."""

    run: Callable[..., Result]
    config: Any
    out: Path


def chosen(name: str, text: bytes = b"", overrides: Sequence[str] = (), *, quick: bool = False) -> Chosen:
    """The recipe `name` (or an import path) as a TOML text and `key=value` words set it. `out` and `recipe` are keys beside its settings.

    Raises `UnknownName` for no recipe, `InputError` for an unknown setting or a value that it cannot have.
    """
    run = plugins.find("recipe", name)
    default = inspect.signature(run).parameters["config"].default
    values = values_of(text, overrides)
    given = values.pop("recipe", name)
    if given != name:
        raise InputError(f"The file says recipe = {given!r}, but {name!r} was asked for. Leave one of them out.")
    out = values.pop("out", f"runs/{name.rpartition(':')[2]}{'-quick' if quick else ''}")
    _check_known(values, default, "")
    base = _plain(type(default).quick() if quick else default)
    try:
        config = msgspec.convert(_merged(base, values), type(default))
    except msgspec.ValidationError as error:
        raise InputError(f"The settings of the recipe {name!r} cannot be used: {error}.") from None
    return Chosen(run, config, Path(out))


def _plain(value: Any) -> Any:
    """A record as dictionaries with every field, so that what is not overridden keeps the recipe's default and not its type's."""
    if isinstance(value, Record):
        return {name: _plain(getattr(value, name)) for name in value.__struct_fields__}
    return msgspec.to_builtins(value)


def _merged(base: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    both = {**base, **values}
    return {name: _merged(base[name], value) if _both_tables(base.get(name), value) else value for name, value in both.items()}


def _both_tables(one: Any, other: Any) -> bool:
    return isinstance(one, Mapping) and isinstance(other, Mapping)


def _check_known(values: Mapping[str, Any], config: Record, prefix: str) -> None:
    known = config.__struct_fields__
    for name, value in values.items():
        if name not in known:
            raise InputError(f"There is no setting {prefix}{name}. Known: {', '.join(prefix + one for one in known)}.")
        part = getattr(config, name)
        if isinstance(part, Record):
            if not isinstance(value, Mapping):
                raise InputError(
                    f"{prefix}{name} is a table of settings, not {value!r}. Write {prefix}{name}.{part.__struct_fields__[0]}=…"
                )
            _check_known(value, part, f"{prefix}{name}.")
