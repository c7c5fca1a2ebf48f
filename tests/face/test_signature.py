from __future__ import annotations

import pytest

from pyqueue import PyQueue
from pyqueue.signature import Signature


@pytest.fixture
def add_signature(app: PyQueue) -> Signature[int]:
    @app.task
    def add(x: int, y: int) -> int:
        return x + y

    return add.s(1, 2)


def test_a_signature_is_immutable(add_signature: Signature[int]) -> None:
    with pytest.raises(AttributeError, match="can't be changed"):
        add_signature.task = "other"
    with pytest.raises(AttributeError):
        del add_signature.args
    with pytest.raises(TypeError):
        add_signature.kwargs["x"] = 1  # type: ignore[index]


def test_set_and_clone_make_another_one(add_signature: Signature[int]) -> None:
    other = add_signature.set(queue="mail").clone((0,), {"z": 3}, priority=5)
    assert (other.args, dict(other.kwargs), dict(other.options)) == (
        (0, 1, 2),
        {"z": 3},
        {"queue": "mail", "priority": 5},
    )
    assert add_signature.args == (1, 2)
    assert not add_signature.options


def test_an_immutable_signature_takes_no_more_arguments() -> None:
    fixed: Signature[int] = Signature("app.add", (1,), immutable=True)
    assert fixed.clone((0,), {"z": 1}) == fixed


def test_the_dictionary_form_is_celerys_and_comes_back(add_signature: Signature[int]) -> None:
    form = add_signature.set(queue="mail").to_dict()
    assert form == {
        "task": add_signature.task,
        "args": [1, 2],
        "kwargs": {},
        "options": {"queue": "mail"},
        "subtask_type": None,
        "immutable": False,
    }
    assert Signature.from_dict(form).to_dict() == form


@pytest.mark.parametrize("form", [{}, {"task": 5}, {"task": "app.add", "subtask_type": "chain"}])
def test_a_dictionary_that_is_no_plain_signature_is_refused(form: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="signature"):
        Signature.from_dict(form)


def test_a_signature_without_an_app_says_so() -> None:
    with pytest.raises(TypeError, match=r"app\.send"):
        Signature("app.add").delay()


def test_chunks_cut_the_calls_and_keep_their_order(app: PyQueue) -> None:
    @app.task
    def add(x: int, y: int) -> int:
        return x + y

    chunks = add.chunks([(n, n) for n in range(5)], 2)
    assert len(chunks) == 3
    assert [each.args for each in chunks] == [((0, 0), (1, 1)), ((2, 2), (3, 3)), ((4, 4),)]
    with pytest.raises(ValueError, match="at least one"):
        add.chunks([], 0)
