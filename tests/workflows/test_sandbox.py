"""What the sandbox does once for all runs, and that nothing needs it done for each."""

import sys
from dataclasses import fields
from typing import Any

import pytest
from temporalio.converter import WithSerializationContext, WorkflowSerializationContext
from temporalio.worker import WorkflowInstanceDetails
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

import workflows.timer
from workflows.codec import EncryptionCodec
from workflows.data_converter import LenientPayloadConverter, data_converter
from workflows.plugin import sandboxed_workflow_runner
from workflows.sandbox import compile_once


class Info:
    namespace = "default"
    workflow_id = "reseller-onboarding-5123456789"


class Instance:
    """A run that must not be asked."""

    def activate(self, *_: Any) -> None: ...

    def get_serialization_context(self, *_: Any) -> None:
        raise AssertionError("asked in its sandbox")

    get_external_store_context = get_serialization_context


def test_a_run_is_not_asked_whose_payload_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SandboxedWorkflowRunner, "create_instance", lambda *_: Instance())
    known: dict[str, Any] = {field.name: None for field in fields(WorkflowInstanceDetails)}
    details = WorkflowInstanceDetails(**known | {"extern_functions": {}, "info": Info()})
    made: Any = sandboxed_workflow_runner().create_instance(details)
    assert made.get_serialization_context(None) == WorkflowSerializationContext(
        namespace=Info.namespace, workflow_id=Info.workflow_id
    )
    assert made.get_external_store_context(None).target is None


def test_nothing_of_ours_looks_at_whose_payload_it_is() -> None:
    converter = data_converter(EncryptionCodec({"k": bytes(32)}))
    parts: tuple[object, ...] = (
        *(converter.payload_codec, converter.failure_converter),
        *LenientPayloadConverter().converters.values(),
    )
    assert not [part for part in parts if isinstance(part, WithSerializationContext)]
    assert converter.external_storage is None


def test_what_is_no_module_of_ours_is_nobodys_to_compile() -> None:
    compile_once()
    with pytest.raises(ModuleNotFoundError):
        __import__("workflows.nothing_of_that_name")


def test_a_module_is_compiled_once_and_run_for_each_import(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "meta_path", sys.meta_path[:])
    compile_once()
    compile_once()
    imported = []
    for _ in range(2):
        monkeypatch.delitem(sys.modules, "workflows.timer")
        __import__("workflows.timer")
        imported.append(sys.modules["workflows.timer"])
    one, two = imported
    assert one.Timer is not two.Timer
    assert one.Timer.set.__code__ is two.Timer.set.__code__
    assert one.__file__ == workflows.timer.__file__
    assert sum(type(finder).__module__ == "workflows.sandbox" for finder in sys.meta_path) == 1
