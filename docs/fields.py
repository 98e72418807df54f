"""For the reference: the fields of a class, with what comments say of them, as its attributes."""

import griffe


def comment(attr) -> str:
    """What stands behind a field, or in the lines above it."""
    lines = attr.lines_collection[attr.filepath]
    above = []
    for line in reversed(lines[: attr.lineno - 1]):
        if not line.lstrip().startswith("#"):
            break
        above.insert(0, line.lstrip("# "))
    return " ".join([*above, lines[attr.endlineno - 1].partition("  # ")[2]]).strip()


class FieldComments(griffe.Extension):
    """Adds the section Attributes to the docstring of a class that has fields."""

    def on_class(self, *, cls, **kwargs):
        """Called by griffe for every class that it has read."""
        del kwargs
        fields = [a for a in cls.attributes.values() if a.annotation and "property" not in a.labels]
        if not cls.docstring or not fields:
            return
        lines = [f"    {a.name}: {comment(a)}" for a in fields]
        cls.docstring.value += "\n\nAttributes:\n" + "\n".join(lines)
