"""The part of an app that is about its workers: ``control``, and commands of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar, cast, overload

from pyqueue.configured import Configured

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyqueue.app import PyQueue
    from pyqueue.control import Control
    from pyqueue.orders import Order, Panel

F = TypeVar("F", bound=Callable[..., Any])


class Controlled(Configured):
    """``control``, ``control_command`` and ``inspect_command``."""

    _panel: Panel | None = None

    @property
    def control(self) -> Control:
        """Commands to the workers of the file."""
        from pyqueue.control import Control  # noqa: PLC0415  for those who use it

        return Control(cast("PyQueue", self))

    @property
    def orders(self) -> Mapping[str, Order]:
        """Every command that may be given through this app, by name."""
        from pyqueue.orders import BUILT_IN, EVERYWHERE  # noqa: PLC0415  as above

        own = {} if self._panel is None else self._panel.orders
        return {**BUILT_IN, **EVERYWHERE.orders, **own}

    @overload
    def control_command(self, function: F, /) -> F: ...
    @overload
    def control_command(self, function: None = None, /, **options: Any) -> Callable[[F], F]: ...
    def control_command(self, function: Any = None, /, **options: Any) -> Any:
        """Makes a command of ``function(state, …)`` that this app's workers obey: ``@app.control_command(args=[("n", int)])``.

        Options as those of ``pyqueue.orders.control_command``.
        """
        return self._own_panel().register(function, type="control", **options)

    @overload
    def inspect_command(self, function: F, /) -> F: ...
    @overload
    def inspect_command(self, function: None = None, /, **options: Any) -> Callable[[F], F]: ...
    def inspect_command(self, function: Any = None, /, **options: Any) -> Any:
        """As ``control_command``, for one that changes nothing."""
        return self._own_panel().register(function, type="inspect", **options)

    def _own_panel(self) -> Panel:
        from pyqueue.orders import Panel  # noqa: PLC0415  as above

        if self._panel is None:
            self._panel = Panel()
        return self._panel
