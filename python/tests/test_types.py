"""The types equal the schemas of the control plane's OpenAPI document."""

import json
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import pytest

from conftest import ROOT
from nanophoto_emulator_pytest import types as t

SCHEMAS = json.loads((ROOT / "docs" / "openapi-control-plane.json").read_text())["components"]["schemas"]
# An error response is an exception in Python, a timestamp a string, and a rule the parameters of Faults.add. The
# document of an account is passed on unchanged.
WITHOUT_TYPE = {
    "Error",
    "Timestamp",
    "Rule",
    "AccountState",
    "ImportedAccountState",
    "StoredLedgerEntry",
    "StoredRule",
    "StoredTask",
}
PRIMITIVES = {"string": str, "integer": int, "boolean": bool, "null": type(None)}


def describe_schema(schema: dict[str, Any]) -> Any:
    """Describes what a JSON schema allows, in the form of `describe_type`."""
    if "$ref" in schema:
        return describe_schema(SCHEMAS[schema["$ref"].split("/")[-1]])
    options = schema.get("anyOf") or schema.get("oneOf")
    if options:
        return join(describe_schema(option) for option in options)
    if "const" in schema or "enum" in schema:
        return frozenset(("value", value) for value in schema.get("enum", [schema.get("const")]))
    kind = schema.get("type")
    if isinstance(kind, list):
        return join(describe_schema({**schema, "type": one}) for one in kind)
    if kind == "number":
        return frozenset([float])
    if kind in PRIMITIVES:
        return frozenset([PRIMITIVES[kind]])
    if kind == "array":
        return frozenset([("list", describe_schema(schema["items"]))])
    if "properties" in schema:
        # Python returns whole lists; the number of the next page is not in its types.
        fields = {name: field for name, field in schema["properties"].items() if name != "next"}
        required = frozenset(schema.get("required", [])) - {"next"}
        return frozenset([("object", frozenset((name, describe_schema(fields[name])) for name in fields), required)])
    if kind == "object":
        return frozenset([("map", describe_schema(schema.get("additionalProperties", {})))])
    return frozenset([Any])


def describe_type(hint: Any) -> Any:
    """Describes a Python type."""
    origin = get_origin(hint)
    if origin is Union:
        return join(map(describe_type, get_args(hint)))
    if origin is Literal:
        return frozenset(("value", value) for value in get_args(hint))
    if origin is list:
        return frozenset([("list", describe_type(get_args(hint)[0]))])
    if origin is dict:
        return frozenset([("map", describe_type(get_args(hint)[1]))])
    if hasattr(hint, "__required_keys__"):
        fields = frozenset((name, describe_type(field)) for name, field in get_type_hints(hint).items())
        return frozenset([("object", fields, hint.__required_keys__)])
    return frozenset([hint])


def join(options: Any) -> Any:
    joined = frozenset().union(*options)
    # A float may be an int.
    return joined - {int} if float in joined else joined


@pytest.mark.parametrize("name", sorted(set(SCHEMAS) - WITHOUT_TYPE))
def test_the_type_equals_the_schema(name):
    assert describe_type(getattr(t, name)) == describe_schema(SCHEMAS[name])


def test_a_difference_is_found():
    assert describe_type(list[str]) != describe_schema({"type": "array", "items": {"type": "integer"}})
    assert describe_type(t.Snapshot) != describe_schema(SCHEMAS["Account"])
