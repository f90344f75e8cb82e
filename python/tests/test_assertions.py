"""The messages of failed assertions."""

import pytest


@pytest.mark.nanophoto(credits=10)
def test_spent_and_balance_show_the_ledger(nanophoto, post):
    post("/api/sora-2/generate", {"prompt": "A cat", "mode": "textToVideo"})
    (task,) = nanophoto.tasks.list()
    ledger = [
        "The ledger has:",
        "  grant      +10  initial credits",
        f"  hold        -4  {task['id']}",
        "  held for unfinished tasks: 4",
    ]
    with pytest.raises(AssertionError) as spent:
        nanophoto.assert_spent(5)
    assert str(spent.value).split("\n") == ["Expected the spent credits to be 5, but they are 4.", *ledger]
    with pytest.raises(AssertionError) as balance:
        nanophoto.assert_balance(10)
    assert str(balance.value).split("\n") == ["Expected the balance to be 10, but it is 6.", *ledger]

    nanophoto.tasks.fail(task["id"])
    nanophoto.assert_spent(0)
    with pytest.raises(AssertionError, match=r"(?s)but they are 0\..*\n  refund      \+4  task_\w+$"):
        nanophoto.assert_spent(4)


def test_credits_that_the_test_moves_are_not_spent(nanophoto):
    nanophoto.credit(50)
    nanophoto.credit(-20, "a correction")
    nanophoto.assert_spent(0)
    nanophoto.assert_balance(1030)


def test_well_behaved_lists_the_findings(nanophoto, post):
    post("/api/sora-2/generate", {"prompt": "A cat", "mode": "textToVideo", "colour": "red"})
    with pytest.raises(AssertionError) as error:
        nanophoto.assert_well_behaved()
    assert str(error.value).split("\n") == [
        "Expected a well-behaved client, but the verdict has findings:",
        "  UNDOCUMENTED_FIELD: /api/sora-2/generate has no field colour.",
    ]
