"""A model as clients see it: its paths and its remote methods.

In charge of: which methods there are and which are switched off. Must not know: requests, routing.

Source: strong-remoting ``shared-class``, loopback ``configure-shared-methods``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tenant_runtime.remoting.shared_method import SharedMethod

#: Methods that are made when somebody asks for them: most models of an app are never asked for.
Resolver = Callable[[], Iterable[SharedMethod]]


class SharedClass:
    """``methods()`` are the enabled ones, those of relations and scopes first, as in the original.

    ``inherited`` makes those of the base (PersistedModel's), which declared ones may replace; ``resolver``
    those that depend on relations and scopes.
    """

    def __init__(
        self,
        name: str,
        http_path: str,
        model: Any = None,
        normalize_path: bool | None = None,
        inherited: Resolver | None = None,
    ) -> None:
        self.name = name
        self.http_path = http_path
        self.model = model
        self.normalize_path = normalize_path
        self._inherited = inherited
        self._declared: list[SharedMethod] = []
        self.disabled: set[str] = set()
        self.resolver: Resolver | None = None
        self._resolved: list[SharedMethod] | None = None

    def define(self, method: SharedMethod) -> SharedMethod:
        """Add a method; one of the same name and kind takes the older one's place."""
        method.class_name = self.name
        for index, other in enumerate(self._declared):
            if other.key == method.key:
                self._declared[index] = method
                return method
        self._declared.append(method)
        return method

    @property
    def own_methods(self) -> list[SharedMethod]:
        """Inherited and declared ones."""
        if self._inherited is not None:
            inherited, self._inherited = list(self._inherited()), None
            declared, self._declared = self._declared, inherited
            for method in inherited:
                method.class_name = self.name
            for method in declared:
                self.define(method)
        return self._declared

    def relations_changed(self) -> None:
        self._resolved = None

    def all_methods(self) -> list[SharedMethod]:
        """Every method, disabled ones included."""
        if self._resolved is None:
            self._resolved = list(self.resolver()) if self.resolver else []
            for method in self._resolved:
                method.class_name = self.name
        return [*self._resolved, *self.own_methods]

    def methods(self) -> list[SharedMethod]:
        return [method for method in self.all_methods() if self.is_enabled(method)]

    def is_enabled(self, method: SharedMethod) -> bool:
        return method.shared and method.key not in self.disabled

    def find(self, name: str) -> SharedMethod | None:
        """By name or alias, disabled ones included; ``prototype.`` in front of an instance method."""
        return next((method for method in self.all_methods() if method.is_called(name)), None)

    def disable(self, name: str) -> None:
        """``disableRemoteMethodByName``; an alias disables the method that it stands for."""
        method = self.find(name)
        self.disabled.add(method.key if method else name)

    def apply_switches(self, switches: Mapping[str, bool]) -> None:
        """``sharedMethods`` of config.json and model-config.json: exact names win over globs."""
        if not switches:
            return
        globs = [(glob_pattern(name), shared) for name, shared in switches.items() if "*" in name]
        for method in self.all_methods():
            if method.key in switches:
                self._switch(method, switches[method.key])
                continue
            for pattern, shared in globs:
                if pattern.search(method.key):
                    self._switch(method, shared)

    def _switch(self, method: SharedMethod, shared: bool) -> None:
        if shared:
            method.shared = True
        else:
            self.disabled.add(method.key)


def glob_pattern(name: str) -> re.Pattern[str]:
    """Unanchored, as in the original: ``*`` stands for any text."""
    return re.compile(re.escape(name).replace(r"\*", ".*"))
