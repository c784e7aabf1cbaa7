"""What is exported is documented: numpydoc sections that name every parameter, and none that there is not."""

import inspect
import re
from importlib import import_module

import pytest

MODULES = ("", ".analysis", ".exchange", ".hardware", ".plot", ".rules", ".spec")
SECTION = r"^{}\n-+\n(.*?)(?=^\w[\w ]*\n--|\Z)"


def named(doc, *sections):
    """What these sections of a docstring name, without types."""
    bodies = [body for name in sections for body in re.findall(SECTION.format(name), doc, re.MULTILINE | re.DOTALL)]
    heads = [head for body in bodies for head in re.findall(r"^\S.*", body, re.MULTILINE)]
    return {name.strip(" *") for head in heads for name in head.split(" : ")[0].split(",")}


def faults(what, value, *, returns=False):
    """What the docstring of a function, a method or a class lacks, a line each."""
    doc = inspect.cleandoc(value.__doc__ or "")
    if not doc or isinstance(value, property):
        return [] if doc else [f"{what} has no docstring"]
    value = getattr(value, "__func__", value)  # of a static method
    signature = inspect.signature(value)
    takes, parameters = set(signature.parameters) - {"self", "cls"}, named(doc, "Parameters")
    told = parameters | (named(doc, "Attributes") if inspect.isclass(value) else set())
    found = [f"{what}: {name} is not documented" for name in sorted(takes - told)]
    found += [f"{what}: there is no parameter {name}" for name in sorted(parameters - takes)]
    # of methods, and of functions that take nothing, the summary says what they give
    if returns and takes and signature.return_annotation is not None:
        found += [] if named(doc, "Returns", "Yields") else [f"{what} does not say what it returns"]
    return found


@pytest.mark.parametrize("module", MODULES)
def test_exported_names_are_documented(module):
    module, found = import_module(f"neurofa{module}"), []
    for name in module.__all__:
        value, what = getattr(module, name), f"{module.__name__}.{name}"
        if inspect.isfunction(value):
            found += faults(what, value, returns=True)
        elif inspect.isclass(value) and issubclass(value, Exception):
            found += [] if value.__doc__ else [f"{what} has no docstring"]
        elif inspect.isclass(value):
            found += faults(what, value)
            kinds = property, staticmethod, classmethod, type(faults)
            own = {part: of for part, of in vars(value).items() if not part.startswith("_") and isinstance(of, kinds)}
            found += [fault for part, of in own.items() for fault in faults(f"{what}.{part}", of)]
    assert not found, "\n".join(found)


def test_an_undocumented_parameter_is_a_fault():
    def scaled(values, *, by):
        """Scale values.

        Parameters
        ----------
        values, times : sequence
            Numbers.
        """

    lacks = ["f: by is not documented", "f: there is no parameter times", "f does not say what it returns"]
    assert faults("f", scaled, returns=True) == lacks
