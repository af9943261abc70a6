"""Opens an RO-Crate with `rocrate` and checks what the Process Run Crate profile demands; prints what is in it."""
import json
import pathlib
import sys
import tempfile
import zipfile

from rocrate.rocrate import ROCrate

where = pathlib.Path(sys.argv[1])
crate = ROCrate(where)
folder = where
if where.suffix == ".zip":
    folder = pathlib.Path(tempfile.mkdtemp())
    zipfile.ZipFile(where).extractall(folder)
metadata = json.loads((folder / "ro-crate-metadata.json").read_text(encoding="utf-8"))
entities = {entity["@id"]: entity for entity in metadata["@graph"]}
assert len(entities) == len(metadata["@graph"]), "an entity stands there twice"
root = entities["./"]
assert root["conformsTo"]["@id"] in entities
for key in ("name", "description", "datePublished", "license"):
    assert root[key], key


def ids(value):
    values = value if isinstance(value, list) else [value]
    return [one["@id"] for one in values]


files = 0
for part in ids(root["hasPart"]):
    entity = entities[part]
    assert entity["@type"] == "File"
    from urllib.parse import unquote

    payload = folder / unquote(part)
    assert str(payload.stat().st_size) == entity["contentSize"], part
    files += 1
actions = 0
for action in map(entities.get, ids(root["mentions"])):
    # A version of a model, and who decided where it stands.
    if action["@type"] == "Collection":
        assert action["creativeWorkStatus"]
        assert all(part in entities for part in ids(action["hasPart"]))
        continue
    if action["@type"] == "UpdateAction":
        assert entities[action["instrument"]["@id"]]["name"] == "lineage"
        assert all(entities[one]["@type"] == "Collection" for one in ids(action["object"]))
        continue
    assert action["@type"] in ("CreateAction", "ActivateAction"), action
    assert entities[action["instrument"]["@id"]]["name"]
    for key in ("object", "result"):
        for one in ids(action.get(key, [])):
            assert one in entities, one
    status = action["actionStatus"]["@id"].rsplit("/", 1)[1]
    print("action", action["name"].split()[-1], status, len(action.get("object", [])), len(action.get("result", [])))
    actions += 1
opened = [entity for entity in crate.get_entities() if entity.type in ("CreateAction", "ActivateAction")]
assert len(opened) == actions
print("files", files, "actions", actions)
