"""config.yaml and the environment, read strictly and composed into one frozen Config.

YAML is read 1.2-like: only true and false are booleans (ON and NO are tickers), keys are texts that stand once, numbers are
finite, and every complaint names the file, the line, the key and what is allowed.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final

import yaml
from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from engine.errors import ConfigError, RequestError
from engine.scenarios import custom_scenario, scenario_name
from engine.settings import AlertSettings, DatabaseSettings, EngineSettings, IbkrSettings, Section, Whole
from scheduler.settings import ScheduleSettings

TOKEN_VARIABLE: Final = "RISKBOT_TELEGRAM_TOKEN"  # noqa: S105 - the name of the variable, not its value


class TelegramSettings(Section):
    """Who may speak, and where the Bot API is."""

    allowed_users: tuple[Whole, ...] = ()
    allowed_chats: tuple[Whole, ...] = ()
    base_url: Annotated[str, Field(pattern=r"^https?://[^\s/]+.*[^/]$")] = "https://api.telegram.org"


def _a_name(text: str) -> str:
    try:
        return scenario_name(text)
    except RequestError as error:
        raise ValueError(str(error)) from error


def _a_scenario(text: str) -> str:
    try:
        custom_scenario("", text)
    except RequestError as error:
        raise ValueError(str(error)) from error
    return text


def _once_whatever_case(texts: object) -> object:
    if isinstance(texts, dict):
        names = [str(name).lower() for name in texts]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"the name {twice!r} stands twice; case does not matter")
    return texts


class Config(EngineSettings):
    """The whole of config.yaml."""

    custom_scenarios: Annotated[
        dict[Annotated[str, AfterValidator(_a_name)], Annotated[str, AfterValidator(_a_scenario)]],
        BeforeValidator(_once_whatever_case),
    ] = Field(default_factory=dict)
    ibkr: IbkrSettings = IbkrSettings()
    alerts: AlertSettings = AlertSettings()
    telegram: TelegramSettings = TelegramSettings()
    database: DatabaseSettings = DatabaseSettings()
    schedule: ScheduleSettings = ScheduleSettings()

    @property
    def engine(self) -> EngineSettings:
        return EngineSettings(
            scenarios=self.scenarios,
            custom_scenarios=self.custom_scenarios,
            matrix=self.matrix,
            risk_limits=self.risk_limits,
            simulation=self.simulation,
            data=self.data,
        )


class Secrets(BaseSettings):
    """What must never be written down: from the environment, or from a file that the environment names."""

    model_config = SettingsConfigDict(env_prefix="RISKBOT_", extra="ignore")

    telegram_token: SecretStr | None = None
    telegram_token_file: Path | None = None

    def token(self) -> SecretStr:
        """The bot's token.

        Raises:
            ConfigError: If neither the variable nor the file has one.
        """
        if self.telegram_token is not None and self.telegram_token.get_secret_value():
            return self.telegram_token
        if self.telegram_token_file is not None:
            try:
                text = self.telegram_token_file.read_text().strip()
            except OSError as error:
                raise ConfigError(
                    f"{TOKEN_VARIABLE}_FILE: {error.strerror}: {self.telegram_token_file}"
                ) from error
            if text:
                return SecretStr(text)
        raise ConfigError(
            f"no bot token: set {TOKEN_VARIABLE} (from @BotFather), or {TOKEN_VARIABLE}_FILE to a file that holds it"
        )


class _StrictLoader(yaml.SafeLoader):
    """YAML 1.2-like scalars; no duplicate, merge or non-text keys."""


_StrictLoader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("bool", r"^(?:true|True|false|False)$", "tTfF"),
    ("null", r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    ("int", r"^[-+]?(?:0|[1-9][0-9]*)$", "-+0123456789"),
    ("float", r"^[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?$", "-+.0123456789"),
):
    _StrictLoader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), list(_first))


def _mapping(loader: yaml.SafeLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    seen: set[str] = set()
    for key_node, _ in node.value:
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, str) or key == "<<":
            raise yaml.MarkedYAMLError(
                problem=f"the key {key!r} must be a plain text", problem_mark=key_node.start_mark
            )
        if key in seen:
            raise yaml.MarkedYAMLError(
                problem=f"the key {key!r} stands twice", problem_mark=key_node.start_mark
            )
        seen.add(key)
    return yaml.SafeLoader.construct_mapping(loader, node, deep=True)


_StrictLoader.add_constructor("tag:yaml.org,2002:map", _mapping)


def load_config(path: Path) -> Config:
    """The Config that the file at `path` describes; keys that are left out have their documented defaults.

    Raises:
        ConfigError: If the file can't be read, is not YAML, or holds an unknown key or a value out of range; one line that
        names the
            file, the line, the key and what is allowed.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{path}: can't be read: {getattr(error, 'strerror', None) or 'it is not UTF-8 text'}"
        ) from error
    return parse_config(text, str(path))


def parse_config(text: str, name: str) -> Config:
    """As `load_config`, of a text; `name` stands for the file in messages."""
    try:
        root = yaml.compose(text, _StrictLoader)
        _refuse_tags(text)
        document = yaml.load(text, _StrictLoader)  # noqa: S506 - a SafeLoader, made stricter
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        raise ConfigError(f"{name}, line {mark.line + 1 if mark else '?'}: {error.problem}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigError(f"{name}: not YAML: {str(error).splitlines()[0]}") from error
    if document is None:
        return Config()
    if not isinstance(document, dict):
        raise ConfigError(f"{name}, line 1: the file must hold sections such as 'ibkr:' and 'risk_limits:'")
    try:
        return Config.model_validate(
            {key: section for key, section in document.items() if section is not None}
        )
    except ValidationError as error:
        raise ConfigError(_complaint(error, root, name)) from error


def _refuse_tags(text: str) -> None:
    """Explicit tags and anchors have no place here: '!!int' would turn a text into something else."""
    for event in yaml.parse(text, _StrictLoader):
        tagged = isinstance(event, yaml.NodeEvent) and (getattr(event, "tag", None) or event.anchor)
        if tagged:
            raise yaml.MarkedYAMLError(
                problem="tags, anchors and aliases are not allowed",
                problem_mark=event.start_mark,  # type: ignore[arg-type]
            )


def _complaint(error: ValidationError, root: yaml.Node | None, name: str) -> str:
    problem = error.errors(include_url=False)[0]
    location = [str(part) for part in problem["loc"]]
    line = _line_of(root, location)
    reason = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "extra_forbidden":
        reason = f"unknown key; allowed here: {', '.join(_allowed(location[:-1]))}"
    elif problem["type"] in {"model_type", "model_attributes_type"}:
        reason = f"must be a section with keys of its own: {', '.join(_allowed(location))}"
    elif isinstance(problem.get("input"), str | int | float | bool) and repr(problem["input"]) not in reason:
        reason = f"{reason.replace('Input should be', 'must be')}, not {problem['input']!r}"
    where = " ".join(".".join(location).split()) or "the file"
    more = error.error_count() - 1
    return f"{name}, line {line}: {where}: {reason}" + (f" (and {more} more)" if more else "")


def _allowed(location: list[str]) -> Iterator[str]:
    model: type[Section | Config] = Config
    for part in location:
        annotation = model.model_fields[part].annotation
        if not isinstance(annotation, type) or not issubclass(annotation, Section):
            return
        model = annotation
    yield from model.model_fields


def _line_of(root: yaml.Node | None, location: list[str]) -> int:
    """The line, from 1, on which the deepest known part of `location` starts."""
    node, line = root, 1
    for part in location:
        if isinstance(node, yaml.MappingNode):
            found = next(((key, value) for key, value in node.value if key.value == part), None)
            if found is None:
                break
            line, node = found[0].start_mark.line + 1, found[1]
        elif isinstance(node, yaml.SequenceNode) and part.isdecimal() and int(part) < len(node.value):
            node = node.value[int(part)]
            line = node.start_mark.line + 1
        else:
            break
    return line
