"""The sandbox as our runs need it: what the SDK makes it do over and over for every run, it does once.

The sandbox stays what it is: each run imports the modules of `workflows` for itself, under its restrictions.
"""

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from importlib.util import spec_from_file_location
from types import CodeType, ModuleType
from typing import Final

from temporalio.converter import StorageDriverStoreContext, WorkflowSerializationContext
from temporalio.worker import WorkflowInstance, WorkflowInstanceDetails

from workflows.reset import ResettableRunner

_PACKAGE: Final = "workflows."


class OnboardingRunner(ResettableRunner):
    """The sandbox that workflow code runs and replays in."""

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        """A run's instance.

        Before it encodes or decodes a payload the SDK asks the instance, inside its sandbox, whose payload it
        is, three times for each: a quarter of a replay. Our converters and codec do not look at that
        (`workflows.data_converter`), so here every payload is the workflow's.
        """
        compile_once()
        instance = super().create_instance(det)
        context = WorkflowSerializationContext(namespace=det.info.namespace, workflow_id=det.info.workflow_id)
        nowhere = StorageDriverStoreContext(target=None)
        # Its class is private to the SDK, and mypy refuses a plain assignment.
        setattr(instance, "get_serialization_context", lambda command: context)  # noqa: B010
        setattr(instance, "get_external_store_context", lambda command: nowhere)  # noqa: B010
        return instance


def compile_once() -> None:
    """Have the modules of `workflows`, which every run imports, compiled once for the process.

    Where Python writes no bytecode files, each run would compile them; where it does, read and check them.
    """
    if _FINDER not in sys.meta_path:
        sys.meta_path.insert(0, _FINDER)


class _CompiledOnce(SourceFileLoader):
    _code: CodeType | None = None

    def get_code(self, fullname: str) -> CodeType | None:
        if self._code is None:
            self._code = super().get_code(fullname)
        return self._code


class _Finder(MetaPathFinder):
    def __init__(self) -> None:
        self._loaders: dict[str, _CompiledOnce] = {}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if not fullname.startswith(_PACKAGE):
            return None
        loader = self._loaders.get(fullname)
        if loader is None:
            found = PathFinder.find_spec(fullname, path, target)
            if found is None or type(found.loader) is not SourceFileLoader:
                return found
            loader = self._loaders[fullname] = _CompiledOnce(fullname, found.loader.path)
        return spec_from_file_location(fullname, loader.path, loader=loader)


_FINDER: Final = _Finder()
