"""Templates of CloudFormation, with their intrinsic functions computed: those that ours use."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

_NOTHING = object()  # AWS::NoValue


class _Call:
    """An intrinsic function and its argument."""

    def __init__(self, name: str, argument: Any) -> None:
        self.name, self.argument = name, argument


class _Loader(yaml.SafeLoader):
    """Reads the short form of intrinsic functions."""


def _call(loader: _Loader, name: str, node: yaml.Node) -> _Call:
    if isinstance(node, yaml.SequenceNode):
        return _Call(name, loader.construct_sequence(node, deep=True))
    assert isinstance(node, yaml.ScalarNode)
    return _Call(name, loader.construct_scalar(node))


_Loader.add_multi_constructor("!", _call)


class Template:
    """A template as CloudFormation would deploy it.

    Args:
        path: the template.
        account: the account's number.
        parameters: their values; those that are missing have their defaults.

    Attributes:
        resources: by name, without those that a condition leaves out.
    """

    def __init__(self, path: Path, account: str, parameters: Mapping[str, Any]) -> None:
        document = yaml.load(path.read_text(), _Loader)  # noqa: S506 (a SafeLoader)
        declared = document["Parameters"]
        assert parameters.keys() <= declared.keys()
        self._values = {name: parameter.get("Default", name) for name, parameter in declared.items()} | dict(parameters)
        for name, parameter in declared.items():
            if parameter["Type"] == "CommaDelimitedList" and isinstance(self._values[name], str):
                self._values[name] = self._values[name].split(",")
        self._values |= {"AWS::Partition": "aws", "AWS::AccountId": account, "AWS::Region": "us-east-1"}
        self._conditions = {name: self._of(condition) for name, condition in document.get("Conditions", {}).items()}
        self.resources: dict[str, Any] = self._of(document["Resources"])

    def _of(self, node: Any) -> Any:
        if isinstance(node, _Call):
            return self._call(node)
        if isinstance(node, dict):
            return {name: value for name, each in node.items() if (value := self._of(each)) is not _NOTHING}
        if isinstance(node, list):
            return [value for each in node if (value := self._of(each)) is not _NOTHING]
        return node

    def _call(self, call: _Call) -> Any:
        match call.name, call.argument:
            case "Ref", "AWS::NoValue":
                return _NOTHING
            case "Ref", name:
                return self._values.get(name, name)  # of a resource: its name
            case "Sub", text:
                return re.sub(r"\$\{(.+?)\}", lambda match: str(self._values.get(match[1], match[1])), text)
            case "If", [condition, yes, no]:
                return self._of(yes if self._conditions[condition] else no)
            case "Equals", [one, other]:
                return self._of(one) == self._of(other)
            case "Not", [condition]:
                return not self._of(condition)
            case "Join", [separator, parts]:
                return separator.join(self._of(parts))
            case "GetAtt", name:
                return name
        raise AssertionError(f"!{call.name} is not known here")
