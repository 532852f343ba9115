"""What operations tell the engine about themselves."""

from __future__ import annotations

import pytest
from pyinfra.api.operation import OperationMeta
from pyinfra.connectors.util import CommandOutput

from deploys._engine import report


def ended(changed: bool, success: bool = True) -> OperationMeta:
    meta = OperationMeta("key", is_change=changed)
    meta.set_complete(success, ["a command"] if changed else [], CommandOutput([]))
    return meta


@pytest.mark.parametrize(
    ("operations", "expected"),
    [((True,), True), ((False,), False), ((False, True), True), ((False, False), False)],
)
def test_a_condition_holds_when_any_of_its_operations_changed_something(
    operations: tuple[bool, ...], expected: bool
) -> None:
    assert report.changed(*(ended(changed) for changed in operations))() is expected


def test_a_failed_operation_is_no_change() -> None:
    assert not report.changed(ended(changed=True, success=False))()


def test_the_engine_can_look_into_conditions_that_name_their_operations() -> None:
    first, second = ended(True), ended(False)
    assert report.awaited(report.changed(first, second)) == (first, second)
    assert report.awaited(first.did_change) == (first,)
    assert report.awaited(lambda: True) == ()


@pytest.mark.parametrize("kind", ["", "changes", "if", "unknown"])
def test_a_kind_that_does_not_exist_is_refused(kind: str) -> None:
    with pytest.raises(ValueError, match="a plan's kind is none, change, if:<step> or unknown:<step>"):
        report.plan("ssh: files", kind)
