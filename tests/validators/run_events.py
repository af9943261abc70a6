"""Validates OpenLineage events, one a line, by the classes that OpenLineage generates from its published schemas for its own
client: every field must be known there, of its type, and none that is required may be missing. Prints `runId kind` for each."""
import importlib
import json
import pkgutil
import sys
import types
import typing

import attr
from openlineage.client import generated
from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState

# Facets by the name of their schema.
facets = {}
for module in pkgutil.iter_modules(generated.__path__):
    for thing in vars(importlib.import_module(f"{generated.__name__}.{module.name}")).values():
        if isinstance(thing, type) and attr.has(thing) and hasattr(thing, "_get_schema"):
            facets[thing._get_schema().rsplit("/", 1)[-1]] = thing


def take(kind, value, where):
    """Makes a value of a type out of JSON."""
    origin = typing.get_origin(kind)
    if origin in (typing.Union, types.UnionType):
        kinds = [one for one in typing.get_args(kind) if one is not type(None)]
        if value is None:
            return None
        problems = []
        for one in kinds:
            try:
                return take(one, value, where)
            except (TypeError, ValueError) as problem:
                problems.append(str(problem))
        raise ValueError("; ".join(problems))
    if origin is list:
        if not isinstance(value, list):
            raise TypeError(f"{where}: no list")
        return [take(typing.get_args(kind)[0], one, where) for one in value]
    if origin is dict:
        return {key: take(typing.get_args(kind)[1], one, f"{where}.{key}") for key, one in value.items()}
    if isinstance(kind, type) and attr.has(kind):
        if "_schemaURL" in value:
            name = value["_schemaURL"].rsplit("/", 1)[-1]
            if not value["_producer"] or name not in facets:
                raise ValueError(f"{where}: no facet is {value['_schemaURL']}")
            kind = facets[name]
            if "/facets/" not in value["_schemaURL"]:
                # What every facet has; a facet of our own may have more.
                return value
            value = {key: one for key, one in value.items() if key not in ("_producer", "_schemaURL")}
        attr.resolve_types(kind)
        fields = {field.alias: field for field in attr.fields(kind) if field.init}
        unknown = value.keys() - fields.keys()
        if unknown:
            raise ValueError(f"{where}: {kind.__name__} has no {unknown}")
        return kind(**{key: take(fields[key].type, one, f"{where}.{key}") for key, one in value.items()})
    if kind in (str, int, float, bool) and not isinstance(value, (int, float) if kind is float else kind):
        raise TypeError(f"{where}: {value!r} is no {kind.__name__}")
    return value


for line in open(sys.argv[1], encoding="utf-8"):
    event = json.loads(line)
    assert event["schemaURL"].startswith("https://openlineage.io/spec/2-0-2/OpenLineage.json"), event["schemaURL"]
    RunEvent(
        eventTime=event["eventTime"],
        producer=event["producer"],
        eventType=RunState[event["eventType"]],
        run=take(Run, event["run"], "run"),
        job=take(Job, event["job"], "job"),
        inputs=[take(InputDataset, one, "inputs") for one in event["inputs"]],
        outputs=[take(OutputDataset, one, "outputs") for one in event["outputs"]],
    )
    print(event["run"]["runId"], event["eventType"], len(event["inputs"]), len(event["outputs"]))
