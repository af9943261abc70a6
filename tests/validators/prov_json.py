"""Reads a PROV-JSON document with the `prov` package, writes it again, and prints what is in it."""
import sys

import prov.model

document = prov.model.ProvDocument.deserialize(sys.argv[1], format="json")
again = prov.model.ProvDocument.deserialize(content=document.serialize(format="json"), format="json")
assert document == again, "what was read is not what is written"
# PROV-N and RDF need every name and every value to be understood.
document.get_provn()
kinds = {
    "entity": prov.model.ProvEntity,
    "activity": prov.model.ProvActivity,
    "agent": prov.model.ProvAgent,
    "used": prov.model.ProvUsage,
    "generated": prov.model.ProvGeneration,
    "associated": prov.model.ProvAssociation,
}
names = {record.identifier for record in document.get_records() if record.identifier is not None}
for relation in (prov.model.ProvUsage, prov.model.ProvGeneration, prov.model.ProvAssociation):
    for record in document.get_records(relation):
        for name, value in record.formal_attributes:
            if isinstance(value, prov.model.QualifiedName):
                assert value in names, f"{value} is named and not described"
for kind, cls in kinds.items():
    print(kind, len(list(document.get_records(cls))))
