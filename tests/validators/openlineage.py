"""Validates OpenLineage events, one a line, against the published schemas; prints `runId kind` for each."""
import json
import pathlib
import sys

import jsonschema
import referencing

schemas = pathlib.Path(sys.argv[1])
resources = []
facets = {}
for path in sorted(schemas.glob("*.json")):
    schema = json.loads(path.read_text())
    resources.append((schema["$id"], referencing.Resource.from_contents(schema)))
    facets[schema["$id"]] = schema
registry = referencing.Registry().with_resources(resources)
core = facets["https://openlineage.io/spec/2-0-2/OpenLineage.json"]
checker = jsonschema.Draft202012Validator.FORMAT_CHECKER


def validate(value, schema):
    jsonschema.Draft202012Validator(schema, registry=registry, format_checker=checker).validate(value)


def validate_facets(facets_of):
    for facet in facets_of.values():
        # Each facet names its schema.
        validate(facet, {"$ref": facet["_schemaURL"]})


for line in open(sys.argv[2], encoding="utf-8"):
    event = json.loads(line)
    validate(event, {"$ref": core["$id"]})
    validate(event, {"$ref": event["schemaURL"]})
    validate_facets(event["run"]["facets"])
    validate_facets(event["job"]["facets"])
    for side in ("inputs", "outputs"):
        for dataset in event[side]:
            validate_facets(dataset["facets"])
            validate_facets(dataset.get(side[:-1] + "Facets", {}))
    print(event["run"]["runId"], event["eventType"], len(event["inputs"]), len(event["outputs"]))
