"""What the tests of this package share: a private name is there, and takes the arguments that the grader passes."""

import inspect


def assert_takes(owner: type, name: str, arguments: list[str] | None) -> None:
    """Fail, with the name, unless `owner` has it and it takes these arguments; None leaves the arguments open."""
    assert hasattr(owner, name), f"{owner.__module__}.{owner.__name__} no longer has {name}"
    if arguments is not None:
        found = [parameter for parameter in inspect.signature(getattr(owner, name)).parameters if parameter != "self"]
        assert found == arguments
