"""Signatures ↔ Celery's dictionaries, to any depth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from pyqueue.mapped import Chunks, Starmap, Xmap
from pyqueue.signature import Signature, several

if TYPE_CHECKING:
    from pyqueue.signature import Sender

_KINDS: Final = {
    "celery.chain": "chain",
    "celery.group": "group",
    "celery.chord": "chord",
    "celery.map": "xmap",
    "celery.starmap": "xstarmap",
    "celery.chunks": "chunks",
    "chain": "chain",
    "group": "group",
    "chord": "chord",
    "xmap": "xmap",
    "xstarmap": "xstarmap",
    "starmap": "xstarmap",
    "chunks": "chunks",
}
_LISTS: Final = {"chain": "tasks", "group": "tasks", "chord": "header"}
_FROZEN: Final = frozenset(
    (
        "chord",
        "group_id",
        "group_index",
        "parent_id",
        "replaced_task_nesting",
        "reply_to",
        "root_id",
        "stamped_headers",
    )
)
"""Options that Celery adds to what it has sent: where it stood there says nothing here."""
_LINKS: Final = ("link", "link_error")


def form_of(signature: Signature[Any]) -> dict[str, Any]:
    """Celery's dictionary of a signature."""
    top: dict[str, Any] = {}
    stack: list[tuple[Any, dict[str, Any]]] = [(signature, top)]

    def inner(each: Any) -> dict[str, Any]:
        form: dict[str, Any] = {}
        stack.append((each, form))
        return form

    while stack:
        each, form = stack.pop()
        if not isinstance(each, Signature):
            form.update(each)
            continue
        options = {
            name: value.total_seconds() if isinstance(value, timedelta) else value
            for name, value in each.options.items()
        }
        for name in _LINKS:
            if options.get(name) is not None:
                options[name] = [
                    inner(call) if isinstance(call, (Signature, Mapping)) else call
                    for call in several(options[name])
                ]
        task, args, kwargs = each.task, list(each.args), dict(each.kwargs)
        if isinstance(each, (Chunks, Starmap)):
            of = inner(Signature(each.task))
            args = []
            if isinstance(each, Chunks):
                task, it, more = "celery.chunks", [list(call) for call in each.calls], {"n": each.size}
            else:
                task, it, more = each.celerys, each.it, {}
            kwargs = {"task": of, "it": it, **more}
        elif each.subtask_type in _LISTS:
            kwargs[_LISTS[each.subtask_type]] = [inner(part) for part in each.tasks]  # type: ignore[attr-defined]
            if kwargs.get("body") is not None:
                kwargs["body"] = inner(kwargs["body"])
        form.update(
            task=task,
            args=args,
            kwargs=kwargs,
            options=options,
            subtask_type=each.subtask_type,
            immutable=each.immutable,
        )
    return top


class _Part:
    """A dictionary on its way to a signature."""

    __slots__ = ("body", "form", "kind", "made", "parts")

    def __init__(self, form: Mapping[str, Any]) -> None:
        kind = form.get("subtask_type")
        if kind is not None and kind not in _KINDS:
            raise ValueError(f"there is no signature of the type {kind!r:.80}")
        task = form.get("task")
        if not isinstance(task, str):
            raise ValueError("a signature needs the name of its task")
        self.form = form
        self.kind = _KINDS.get(task if kind is None else kind)
        self.parts: list[_Part | Signature[Any]] = []
        self.body: _Part | Signature[Any] | None = None
        self.made: Signature[Any] | None = None


def signature_of(form: Mapping[str, Any], sender: Sender | None = None) -> Signature[Any]:
    """The signature of Celery's dictionary. Raises ValueError for what is none."""
    top = _Part(form)
    order: list[_Part] = []
    # Each with whether its parts are done: what is met again before that contains itself.
    stack = [(top, False)]
    open_forms: set[int] = set()
    while stack:
        part, done = stack.pop()
        if done:
            open_forms.discard(id(part.form))
            order.append(part)
            continue
        if id(part.form) in open_forms:
            raise ValueError(f"a {part.kind or 'signature'} can't contain itself")
        open_forms.add(id(part.form))
        stack.append((part, True))
        stack += [(each, False) for each in _look(part) if isinstance(each, _Part)]
    for part in order:
        part.made = _made(part, sender)
    assert top.made is not None
    return top.made


def _look(part: _Part) -> list[_Part | Signature[Any]]:
    """Its parts, which are made before it."""
    if part.kind not in _LISTS:
        return []
    kwargs = part.form.get("kwargs")
    given = kwargs.get(_LISTS[part.kind]) if isinstance(kwargs, Mapping) else None
    if isinstance(given, Mapping) and _KINDS.get(str(given.get("task"))) in ("chain", "group"):
        given = (given.get("kwargs") or {}).get("tasks")  # a chord whose header is a group
    if not isinstance(given, Sequence) or isinstance(given, str):
        raise ValueError(f"a {part.kind} needs a list of signatures, not {given!r:.80}")
    part.parts = [_part(each) for each in given]
    body = kwargs.get("body") if isinstance(kwargs, Mapping) else None
    if part.kind == "chord" and body is not None:
        part.body = _part(body)
        return [*part.parts, part.body]
    return part.parts


def _part(given: Any) -> _Part | Signature[Any]:
    if isinstance(given, Signature):
        return given
    if not isinstance(given, Mapping):
        raise ValueError(f"a signature is a dictionary, not {given!r:.80}")
    return _Part(given)


def _made(part: _Part, sender: Sender | None) -> Signature[Any]:
    from pyqueue import canvas  # noqa: PLC0415  it imports this module

    form = part.form
    args, kwargs, options = form.get("args") or (), form.get("kwargs") or {}, form.get("options") or {}
    immutable = bool(form.get("immutable", False))
    if not isinstance(options, Mapping):
        raise ValueError(f"the options of a signature are a dictionary, not {options!r:.80}")
    options = {name: value for name, value in options.items() if name not in _FROZEN}
    if part.kind is None:
        return Signature(form["task"], args, kwargs, options, immutable=immutable, sender=sender)
    if part.kind not in _LISTS:
        return _mapped(part.kind, kwargs, options, sender)
    parts = [_finished(each) for each in part.parts]
    made: Signature[Any]
    if part.kind == "chord":
        made = canvas.chord(parts, None if part.body is None else _finished(part.body), **options)
        more = kwargs.get("kwargs") or {}
    else:
        made = (canvas.Chain if part.kind == "chain" else canvas.group)(parts, **options)
        more = kwargs.get("kwargs") or {}
    if args or more:
        made = made.clone(args, more)
    return made.set(immutable=True) if immutable else made


def _finished(part: _Part | Signature[Any]) -> Signature[Any]:
    made = part.made if isinstance(part, _Part) else part
    assert made is not None
    return made


def _mapped(
    kind: str, kwargs: Mapping[str, Any], options: Mapping[str, Any], sender: Sender | None
) -> Signature[Any]:
    of, it = kwargs.get("task"), kwargs.get("it")
    task = of.get("task") if isinstance(of, Mapping) else of.task if isinstance(of, Signature) else of
    if not isinstance(task, str) or not isinstance(it, Sequence) or isinstance(it, str):
        raise ValueError(f"{kind} needs a signature 'task' and a list 'it'")
    if kind == "chunks":
        return Chunks(task, it, kwargs.get("n") or 0, options, sender)
    if kind == "xmap":
        return Xmap(task, [(each,) for each in it], options, sender)
    return Starmap(task, it, options, sender)
