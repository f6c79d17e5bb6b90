"""What previews may cost the batch they show: the account alone, without a picture."""

from models.budget import SHARE, Budget


def test_previews_never_cost_more_than_their_share_of_the_time_so_far() -> None:
    budget, now, spent = Budget(0.0), 0.0, 0.0
    for _ in range(20_000):
        now += 0.02
        for place in budget.due(range(8), now):
            if not budget.affords(0.004, now):
                break
            budget.charge(place, now, now + 0.004)
            now, spent = now + 0.004, spent + 0.004
            assert spent <= SHARE * now
    assert spent > 0.9 * SHARE * now


def test_who_waited_longest_for_a_preview_is_next_and_nobody_comes_again_too_soon() -> None:
    budget = Budget(0.0)
    assert budget.due([0, 1, 2], 1.0) == [0, 1, 2]
    budget.charge(0, 1.0, 1.001)
    assert budget.due([0, 1, 2], 1.1) == [1, 2]
    budget.charge(2, 1.1, 1.101)
    assert budget.due([0, 1, 2], 1.2) == [1]
    assert budget.due([0, 1, 2], 2.0) == [1, 0, 2]
